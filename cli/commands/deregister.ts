/** `grapevine deregister`: takes back what was registered with this agent. */
import type { ServiceShape } from "../../agent/api/shapes.ts";
import { GrapevineError } from "../../core/errors.ts";
import type { AgentClient } from "../client.ts";
import { type Command, usageError } from "../command.ts";
import { print } from "../output.ts";
import { readInstanceId } from "../registration-flags.ts";
import { readServiceName, servicePath, shortName } from "../service-names.ts";

export const command: Command = {
  path: ["deregister"],
  summary: "take back the registration of an instance",
  details: "Without --instance the service must have exactly one instance on this agent.",
  positionals: [{ name: "[NAMESPACE/]NAME", required: true, complete: "services" }],
  flags: [
    {
      name: "instance",
      kind: "one",
      placeholder: "ID",
      summary: "which instance",
      complete: "instances",
    },
  ],
  examples: ["grapevine deregister web", "grapevine deregister web --instance a-8080"],
  async run(call) {
    const service = readServiceName(call.positionals[0] ?? "");
    const agent = call.agent();
    const named = readInstanceId(call.values);
    const path = servicePath(service);
    const id = named === "_" ? await onlyInstance(agent, path, shortName(service)) : named;
    const gone = await agent.request("DELETE", `${path}/${id}`);
    return print(call, gone, () => `deregistered ${shortName(service)}/${id}\n`);
  },
};

async function onlyInstance(agent: AgentClient, path: string, name: string): Promise<string> {
  const [service, status] = await Promise.all([agent.get(path), agent.get("/v1/status")]);
  const self = (status as { readonly name: string }).name;
  const here = (service as ServiceShape).instances.filter((instance) => instance.agent === self);
  const only = here[0];
  if (only !== undefined && here.length === 1) return only.id;
  if (only === undefined) {
    throw new GrapevineError("not_found", `no instance of ${name} is registered with this agent`);
  }
  const ids = here.map(({ id }) => id).join(", ");
  throw usageError(
    `${name} has ${here.length} instances on this agent (${ids}); name one: --instance ID`,
  );
}
