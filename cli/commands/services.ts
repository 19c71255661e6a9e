/** `grapevine services`: what can be dialled, and the instances behind it. */
import type { InstanceShape, ServiceShape } from "../../agent/api/shapes.ts";
import type { Command } from "../command.ts";
import { formatAge, formatPairs, stateCell } from "../format.ts";
import { print } from "../output.ts";
import { readServiceName, servicePath, shortName } from "../service-names.ts";
import type { Terminal } from "../terminal.ts";
import { formatTable } from "../text-table.ts";

export const command: Command = {
  path: ["services"],
  summary: "list services, or the instances of one",
  positionals: [{ name: "NAME", required: false, complete: "services" }],
  flags: [],
  examples: ["grapevine services", "grapevine services shop/web --json"],
  async run(call) {
    const [name] = call.positionals;
    const style = call.terminal.style;
    if (name === undefined) {
      const services = (await call.agent().get("/v1/services")) as readonly ServiceShape[];
      return print(call, services, () => list(services, style));
    }
    const path = servicePath(readServiceName(name));
    const service = (await call.agent().get(path)) as ServiceShape;
    return print(call, [service], () => instances(service, style));
  },
};

function list(services: readonly ServiceShape[], style: Terminal["style"]): string {
  if (services.length === 0) {
    return "no services; register one: grapevine register web --port 8080\n";
  }
  const passing = (service: ServiceShape) =>
    service.instances.filter(({ health, conflict }) => health === "passing" && !conflict).length;
  return formatTable<ServiceShape>(
    services,
    [
      { title: "NAME", cell: shortName },
      { title: "PROTOCOL", cell: ({ protocol }) => protocol },
      { title: "PORTS", cell: ({ ports }) => ports.join(",") },
      {
        title: "PASSING",
        right: true,
        cell: (service) => ({
          text: `${passing(service)}/${service.instances.length}`,
          style: passing(service) === service.instances.length ? "green" : "red",
        }),
      },
      {
        title: "AGENTS",
        cell: (service) => [...new Set(service.instances.map(({ agent }) => agent))].join(","),
      },
    ],
    style,
  );
}

function instances(service: ServiceShape, style: Terminal["style"]): string {
  const health = ({ health: state, conflict }: InstanceShape) =>
    stateCell(conflict ? "conflict" : state);
  return formatTable(
    service.instances,
    [
      { title: "INSTANCE", cell: ({ id }) => id },
      { title: "AGENT", cell: ({ agent }) => agent },
      { title: "ADDRESS", cell: ({ address }) => address },
      { title: "HEALTH", cell: health },
      { title: "BREAKER", cell: ({ breaker }) => stateCell(breaker) },
      { title: "WEIGHT", right: true, cell: ({ weight }) => weight },
      { title: "AGE", right: true, cell: ({ ageMs }) => formatAge(ageMs) },
      { title: "ZONE", cell: ({ zone }) => zone },
      { title: "VERSION", cell: ({ version }) => version },
      { title: "TAGS", cell: ({ tags }) => formatPairs(tags) },
      { title: "CHECK", cell: ({ check }) => (check === undefined ? "" : check.message) },
    ],
    style,
  );
}
