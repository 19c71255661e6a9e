/** `grapevine forward`: a local port of the agent that leads to a service. */
import type { Forward } from "../../agent/api/node.ts";
import { readHostPort } from "../../agent/config/values.ts";
import { formatHostPort } from "../../transport/addresses.ts";
import { type Call, type Command, usageError } from "../command.ts";
import { print } from "../output.ts";
import { reading } from "../registration-flags.ts";
import { readServiceName } from "../service-names.ts";
import { formatTable } from "../text-table.ts";

export const command: Command = {
  path: ["forward"],
  summary: "open a local port that leads to a service; without arguments: list them",
  details:
    "For programs that know no proxy. The agent keeps the listener, also over a restart, until it " +
    "is removed.",
  positionals: [
    { name: "NAME", required: false, complete: "services" },
    { name: "HOST:PORT", required: false },
  ],
  flags: [{ name: "remove", kind: "switch", summary: "close the port again" }],
  examples: [
    "grapevine forward shop/db 127.0.0.1:5432",
    "grapevine forward shop/db 127.0.0.1:5432 --remove",
  ],
  async run(call) {
    const [name, address] = call.positionals;
    const remove = call.values.has("remove");
    if (name === undefined) {
      if (remove) throw usageError("which forward? grapevine forward NAME HOST:PORT --remove");
      return await list(call);
    }
    const { namespace, name: short } = readServiceName(name);
    const service = `${namespace}/${short}`;
    if (address === undefined && !remove) {
      throw usageError(`where shall the agent listen? grapevine forward ${name} 127.0.0.1:9000`);
    }
    const read =
      address === undefined ? undefined : reading("HOST:PORT", () => readHostPort(address));
    const listen = read === undefined ? undefined : formatHostPort(read.host, read.port);
    const body = { service, ...(listen === undefined ? {} : { listen }) };
    const answer = await call.agent().request(remove ? "DELETE" : "PUT", "/v1/forwards", { body });
    return print(call, answer, () => {
      if (remove) return `removed the forward to ${service}\n`;
      return `${(answer as Partial<Forward>).listen ?? listen} leads to ${service}\n`;
    });
  },
};

async function list(call: Call): Promise<number> {
  const forwards = (await call.agent().get("/v1/forwards")) as readonly Forward[];
  return print(call, forwards, () => {
    if (forwards.length === 0) return "no forwards\n";
    const listen = { title: "LISTEN", cell: (row: Forward) => row.listen };
    const service = { title: "SERVICE", cell: (row: Forward) => row.service };
    const port = { title: "PORT", right: true, cell: (row: Forward) => row.port ?? "" };
    return formatTable(forwards, [listen, service, port], call.terminal.style);
  });
}
