/** Forwards: local ports that lead to one service, for programs that know no proxy. */
import { parseServiceName, serviceKey } from "../../core/names.ts";
import type { ServiceKey } from "../../core/types.ts";
import { parseHostPort } from "../../transport/addresses.ts";
import type { Fields } from "../registrations/fields.ts";
import { notALabel } from "../registrations/schema.ts";
import type { Forward } from "./node.ts";
import { invalidBody } from "./problem.ts";
import type { Call, Reply, Route } from "./route.ts";
import { readFields, throwProblems } from "./route.ts";

const PATH = "/v1/forwards";

export const FORWARD_ROUTES: readonly Route[] = [
  { method: "GET", path: PATH, query: [], handle: show },
  { method: "PUT", path: PATH, query: [], handle: add },
  { method: "DELETE", path: PATH, query: ["service", "listen"], handle: remove },
];

function show({ node }: Call): Reply {
  return { status: 200, body: node.forwards().map(forwardShape) };
}

async function add({ node, body }: Call): Promise<Reply> {
  const fields = readFields(body, ["service", "listen", "port"], false);
  const service = readService(fields);
  const listen = readListen(fields);
  if (!fields.has("listen")) fields.problem("listen", "is missing: HOST:PORT, port 0 for any");
  const port = fields.integer("port", 1, 65_535);
  throwProblems(fields);
  if (service === undefined || listen === undefined) throw invalidBody(fields.problems);
  const { created, forward } = await node.addForward({ service, listen, port });
  return { status: created ? 201 : 200, body: forwardShape(forward) };
}

/** What to remove comes as a body or as query parameters: some clients send no body with DELETE. */
async function remove({ node, body, query }: Call): Promise<Reply> {
  const given = body ?? { service: query.text("service"), listen: query.text("listen") };
  const fields = readFields(given, ["service", "listen"], false);
  const service = readService(fields);
  const listen = readListen(fields);
  throwProblems(fields);
  if (service === undefined) throw invalidBody(fields.problems);
  const removed = await node.removeForward(service, listen);
  return { status: 200, body: removed.map(forwardShape) };
}

function forwardShape({ service, listen, port }: Forward): Record<string, unknown> {
  return { service, listen, port: port ?? null };
}

function readService(fields: Fields): ServiceKey | undefined {
  if (!fields.has("service"))
    return fields.problem("service", "is missing: NAME or NAMESPACE/NAME");
  const text = fields.text("service", 127);
  if (text === undefined) return undefined;
  const name = parseServiceName(text);
  if (name === undefined) return fields.problem("service", notALabel(text));
  return serviceKey(name.namespace, name.name);
}

function readListen(fields: Fields): string | undefined {
  const listen = fields.text("listen", 300);
  if (listen === undefined) return undefined;
  if (parseHostPort(listen) !== undefined) return listen;
  return fields.problem("listen", `"${listen}" is not HOST:PORT or [IPV6]:PORT`);
}
