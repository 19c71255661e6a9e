/**
 * A process that hosts the counter on one agent, and ends when its parent does.
 *
 * node counter-host.ts SOCKET
 */
import { connect } from "../../index.ts";
import { Counter } from "./counter.ts";

const [socket = ""] = process.argv.slice(2);
const node = await connect({ socket, actors: [Counter] });
process.stdout.write(`ready as ${node.instance}\n`);
process.stdin.resume().on("end", () => process.exit(0));
