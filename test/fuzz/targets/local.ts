/**
 * What programs on the host send to the local API, and what stands on disk. Oracles: an answer or a
 * refusal that says where the mistake is, never another error; what is accepted is written to disk
 * in a form that reads back the same; a JSON text is found broken exactly where it is.
 */
import { FORWARD_ROUTES } from "../../../agent/api/forward-routes.ts";
import { jsonErrorPosition, parseJson } from "../../../agent/api/json-body.ts";
import { ApiError } from "../../../agent/api/problem.ts";
import { Query } from "../../../agent/api/query.ts";
import { readRegistration, writeRegistration } from "../../../agent/registrations/schema.ts";
import { createFakeNode } from "../../agent/api/fake-node.ts";
import { type FuzzTarget, holds, same } from "../target.ts";

const utf8 = (text: string) => new Uint8Array(Buffer.from(text));

const REGISTRATIONS = [
  { name: "web", ports: [{ port: 8080 }] },
  {
    ...{ namespace: "shop", name: "web", id: "one", address: "10.0.0.1:9", protocol: "tcp" },
    ...{ version: "1.2", weight: 5, tags: { team: "x", "a/b": "\u00e4" }, leaseMs: 30_000 },
  },
  {
    ...{ name: "api", unix: "/run/api.sock", servicePort: 81, protocol: "http" },
    check: { type: "http", path: "/healthz", intervalMs: 1_000, timeoutMs: 500 },
  },
  { name: "job", ports: [{ port: 1, servicePort: 2 }, { port: 3 }], check: { type: "ttl" } },
];

const WORDS = [
  ...['"', "\\", "{", "}", "[", "]", ",", ":", "null", "true", "-1", "1e999", "0.5", '""', "[]"],
  ...['"__proto__":{}', '"constructor":1', '"tags":{}', '"ports":[]', "\\ud800", "\\u0000"],
  ...['"check":{"type":"exec"}', '"weight":1001', "9007199254740993", "\xff", "\xe2\x28\xa1"],
];

/** The value, or that it is no JSON; everything else that is thrown is a mistake. */
function parsed(input: Uint8Array): { readonly value: unknown } | undefined {
  const text = Buffer.from(input).toString("utf8");
  const position = jsonErrorPosition(text);
  holds("a place in the text", position >= 0 && position <= text.length);
  try {
    const value = parseJson(text);
    holds("good JSON ends at its end", position === text.length);
    return { value };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    holds("the refusal says where", / line \d+, column \d+$/.test(error.message));
    return undefined;
  }
}

export const REGISTRATION: FuzzTarget = {
  name: "registration",
  seeds: () => REGISTRATIONS.map((body) => utf8(JSON.stringify(body))),
  words: WORDS,
  check: (input) => {
    const body = parsed(input);
    if (body === undefined) return;
    const read = readRegistration(body.value);
    if (!read.ok) {
      holds("a refusal names its problems", read.problems.length > 0);
      holds(
        "in words",
        read.problems.every(({ message }) => message.length > 0),
      );
      return;
    }
    const again = readRegistration(
      JSON.parse(JSON.stringify(writeRegistration(read.registration))),
    );
    same("on disk and back", again, read);
  },
};

const { node } = createFakeNode();

export const FORWARD: FuzzTarget = {
  name: "forward",
  seeds: () =>
    [
      { service: "web", listen: "127.0.0.1:0" },
      { service: "shop/web", listen: "[::1]:9000", port: 80 },
    ].map((body) => utf8(JSON.stringify(body))),
  words: [...WORDS, "127.0.0.1:65536", "/", "[::1]", "default/web"],
  check: async (input) => {
    const body = parsed(input);
    if (body === undefined) return;
    for (const { method, handle, query } of FORWARD_ROUTES) {
      if (method === "GET") continue;
      try {
        const call = { node, params: [], query: new Query(new URLSearchParams(), query) };
        const reply = await handle({ ...call, body: body.value });
        holds("an answer that JSON can carry", JSON.stringify(reply.body) !== undefined);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        holds("a refusal with a reason", error.message !== "");
      }
    }
  },
};
