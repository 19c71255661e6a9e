/** `grapevine register`: tells the agent of an instance that runs on this host. */
import type { LocalInstanceShape } from "../../agent/api/shapes.ts";
import { DEFAULT_NAMESPACE } from "../../core/names.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";
import { REGISTRATION_FLAGS, readInstanceId, readRegistrationBody } from "../registration-flags.ts";
import { readServiceName, servicePath, shortName } from "../service-names.ts";

export const command: Command = {
  path: ["register"],
  summary: "register an instance of a service",
  details:
    "Returns when the registration is on disk and usable on this agent. The same id again is an " +
    "update. An instance with a check takes requests after its first success.",
  positionals: [{ name: "[NAMESPACE/]NAME", required: true, complete: "services" }],
  flags: REGISTRATION_FLAGS,
  examples: [
    "grapevine register web --port 8080 --check http:/healthz",
    "grapevine register shop/db --port 5432 --protocol tcp",
  ],
  async run(call) {
    const service = readServiceName(call.positionals[0] ?? "");
    const id = readInstanceId(call.values);
    const body = readRegistrationBody(call.values);
    const path = `${servicePath(service)}/${id}`;
    const instance = (await call.agent().request("PUT", path, { body })) as LocalInstanceShape;
    return print(call, instance, () => {
      const dial = instance.ports
        .map(({ servicePort }) => dialled(service, servicePort, instance.protocol))
        .join(", ");
      const waits = instance.check !== undefined && instance.health === "failing";
      const health = waits
        ? `; it gets requests once its ${instance.check?.type} check succeeds`
        : "";
      return `registered ${shortName(service)}/${instance.id} at ${instance.address}, dialled as ${dial}${health}\n`;
    });
  },
};

function dialled(
  { namespace, name }: { namespace: string; name: string },
  port: number,
  protocol: string,
): string {
  const host = namespace === DEFAULT_NAMESPACE ? `${name}.mesh` : `${name}.${namespace}.mesh`;
  if (protocol === "tcp") return `${host}:${port}`;
  return port === 80 ? `http://${host}/` : `http://${host}:${port}/`;
}
