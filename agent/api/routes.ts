/** What the local API offers: every path with its methods, and what each of them does. */
import { isLabel } from "../../core/names.ts";
import type { ServiceKey } from "../../core/types.ts";
import { parseHostPort } from "../../transport/addresses.ts";
import { closest } from "../registrations/closest.ts";
import { notALabel, readRegistration } from "../registrations/schema.ts";
import { FORWARD_ROUTES } from "./forward-routes.ts";
import type { LocalNode } from "./node.ts";
import { ApiError, invalidBody } from "./problem.ts";
import type { Call, Reply, Route } from "./route.ts";
import { readFields, readServiceKey, throwProblems } from "./route.ts";
import {
  actorsShape,
  localInstanceShape,
  membersShape,
  serviceShape,
  servicesShape,
  statusShape,
} from "./shapes.ts";

const RECORDS_DEFAULT = 20;
/** Records in one answer. */
const RECORDS_SHOWN_MAX = 1_000;
/** In place of an instance's id: the agent chooses. */
const CHOOSE_ID = "_";

const ROUTES: readonly Route[] = [
  get("/v1/members", ({ node }) => membersShape(node.view(), node.now())),
  get("/v1/services", ({ node }) => servicesShape(node)),
  get("/v1/services/*/*", showService),
  get("/v1/actors", ({ node }) => actorsShape(node)),
  get("/v1/status", ({ node }) => statusShape(node)),
  get("/v1/requests", showRecords, ["last"]),
  get("/v1/requests/*", showRecord),
  { method: "DELETE", path: "/v1/members/*", query: [], handle: forgetMember },
  { method: "PUT", path: "/v1/services/*/*/*", query: [], handle: register },
  { method: "DELETE", path: "/v1/services/*/*/*", query: [], handle: deregister },
  post("/v1/services/*/*/*/pass", (call) => report(call, true)),
  post("/v1/services/*/*/*/fail", (call) => report(call, false)),
  post("/v1/join", join),
  post("/v1/leave", leave),
  post("/v1/reload", reload),
  ...FORWARD_ROUTES,
];

function get(path: string, show: (call: Call) => unknown, query: readonly string[] = []): Route {
  return { method: "GET", path, query, handle: (call) => ({ status: 200, body: show(call) }) };
}

function post(path: string, handle: Route["handle"]): Route {
  return { method: "POST", path, query: [], handle };
}

function showService({ node, params }: Call): unknown {
  const key = readServiceKey(params);
  const service = node.view().services.get(key);
  if (service === undefined) throw unknownService(node, key);
  return serviceShape(service, node);
}

function unknownService(node: LocalNode, key: ServiceKey): ApiError {
  const agents = [...node.view().members.values()].filter(({ state }) => state === "alive").length;
  const whom =
    agents === 1 ? "the only agent that is alive" : `the ${agents} agents that are alive`;
  const remedy = "see what is offered: `grapevine services`, or GET /v1/services";
  return new ApiError("not_found", `${key} is not offered by ${whom}`, { remedy });
}

function showRecords({ node, query }: Call): unknown {
  return node.records(query.integer("last", 1, RECORDS_SHOWN_MAX, RECORDS_DEFAULT));
}

function showRecord({ node, params }: Call): unknown {
  const [id = ""] = params;
  const record = node.record(id);
  if (record !== undefined) return record;
  throw new ApiError("not_found", `this agent has no record of request "${id.slice(0, 64)}"`, {
    remedy: "only the agent that took the request has its record, and only the newest are kept",
  });
}

async function forgetMember({ node, params }: Call): Promise<Reply> {
  return { status: 200, body: await node.forget(params[0] ?? "") };
}

async function register({ node, params, body }: Call): Promise<Reply> {
  const [namespace, name, id] = params;
  readServiceKey(params);
  const given = bodyObject(body);
  const inPath = ["namespace", "name", "id"].filter((key) => Object.hasOwn(given, key));
  const problems = inPath.map((path) => ({ path, message: "belongs into the path alone" }));
  const named = id === CHOOSE_ID ? {} : { id };
  const read = readRegistration({ ...given, namespace, name, ...named });
  if (!read.ok || problems.length > 0) {
    throw invalidBody([...problems, ...(read.ok ? [] : read.problems)]);
  }
  const { created, instance } = await node.register(read.registration);
  return { status: created ? 201 : 200, body: localInstanceShape(instance, node.now()) };
}

async function deregister({ node, params }: Call): Promise<Reply> {
  const instance = await node.deregister(readServiceKey(params), readInstanceId(params));
  return { status: 200, body: localInstanceShape(instance, node.now()) };
}

function report({ node, params, body }: Call, ok: boolean): Reply {
  const fields = readFields(body, ["message"], true);
  const message = fields.text("message", 256) ?? "";
  throwProblems(fields);
  const instance = node.report(readServiceKey(params), readInstanceId(params), ok, message);
  return { status: 200, body: localInstanceShape(instance, node.now()) };
}

async function join({ node, body }: Call): Promise<Reply> {
  const fields = readFields(body, ["address"], false);
  const address = fields.text("address", 300);
  if (!fields.has("address")) fields.problem("address", "is missing: HOST:PORT of a member");
  else if (address !== undefined && !((parseHostPort(address)?.port ?? 0) > 0)) {
    fields.problem("address", `"${address}" is not HOST:PORT or [IPV6]:PORT`);
  }
  throwProblems(fields);
  await node.join(address ?? "");
  return { status: 200, body: { address } };
}

async function leave({ node, body }: Call): Promise<Reply> {
  throwProblems(readFields(body, [], true));
  await node.leave();
  return { status: 200, body: { left: true } };
}

async function reload({ node, body }: Call): Promise<Reply> {
  throwProblems(readFields(body, [], true));
  return { status: 200, body: await node.reload() };
}

function readInstanceId(params: readonly string[]): string {
  const id = params[2] ?? "";
  if (!isLabel(id)) throw new ApiError("invalid_argument", notALabel(id));
  return id;
}

function bodyObject(body: unknown): object {
  if (body === undefined) {
    throw invalidBody([
      { path: "", message: 'a JSON body is needed, such as {"ports":[{"port":8080}]}' },
    ]);
  }
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return body;
  throw invalidBody([{ path: "", message: "the body must be a JSON object" }]);
}

/** Finds the route; throws `not_found`, or 405 with Allow for a path that has other methods. */
export function matchRoute(
  method: string,
  pathname: string,
): { route: Route; params: readonly string[] } {
  const segments = pathname.split("/");
  const wanted = method === "HEAD" ? "GET" : method;
  const allowed: string[] = [];
  for (const route of ROUTES) {
    const params = matchPath(route.path, segments);
    if (params === undefined) continue;
    if (route.method === wanted) return { route, params: params.map(decodeSegment) };
    allowed.push(...(route.method === "GET" ? ["GET", "HEAD"] : [route.method]));
  }
  if (allowed.length === 0) {
    const meant = closest(
      pathname,
      ROUTES.map((route) => route.path),
    );
    throw new ApiError("not_found", `there is no ${pathname.slice(0, 200)} here`, {
      remedy: meant === undefined ? "docs/api.md lists the paths" : `did you mean ${meant}?`,
    });
  }
  throw new ApiError("usage", `${pathname} does not take ${method}`, {
    status: 405,
    remedy: `use ${allowed.join(" or ")}`,
    headers: { allow: allowed.join(", ") },
  });
}

function matchPath(pattern: string, segments: readonly string[]): string[] | undefined {
  const parts = pattern.split("/");
  if (parts.length !== segments.length) return undefined;
  const params: string[] = [];
  for (const [at, part] of parts.entries()) {
    const segment = segments[at] ?? "";
    if (part === "*" && segment !== "") params.push(segment);
    else if (part !== segment) return undefined;
  }
  return params;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new ApiError("invalid_argument", `"${segment}" in the path is not percent-encoded UTF-8`);
  }
}
