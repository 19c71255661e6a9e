/** Hosts the counter on an agent until standard input ends: node actor-host.ts SOCKET [INSTANCE]. */
import { connect } from "../../index.ts";
import { Counter } from "./counter.ts";

const [socket = "", instance] = process.argv.slice(2);
const node = await connect({
  socket,
  actors: [Counter],
  ...(instance === undefined ? {} : { instance }),
});
process.stdout.write(`hosting as ${node.instance}\n`);
process.stdin.resume().on("end", () => void node.close().then(() => process.exit(0)));
