/** `grapevine call`: one call of an actor, through the local agent. */
import { readDuration } from "../../agent/config/values.ts";
import { type ActorDefinition, withOptions } from "../../core/actors/definition.ts";
import { RemoteError } from "../../core/actors/remote-error.ts";
import { GrapevineError } from "../../core/errors.ts";
import { type Command, usageError } from "../command.ts";
import { print } from "../output.ts";
import { reading } from "../registration-flags.ts";

type Method = (...args: readonly unknown[]) => Promise<unknown>;
/** An actor of which nothing is known here. */
type AnyActor = ActorDefinition<string, Readonly<Record<string, Method>>>;

export const command: Command = {
  path: ["call"],
  summary: "call a method of an actor",
  details:
    "Arguments are JSON, and so is the result. Behind -- nothing is taken for a flag, so that " +
    "negative numbers can be given.",
  positionals: [
    { name: "TYPE/KEY", required: true },
    { name: "METHOD", required: true },
    { name: "JSON-ARGS", required: false, many: true },
  ],
  flags: [
    {
      name: "namespace",
      kind: "one",
      placeholder: "NAMESPACE",
      summary: "namespace of the type",
      fallback: "default",
    },
    {
      name: "timeout",
      kind: "one",
      placeholder: "DURATION",
      summary: "until the call fails",
      fallback: "5s",
    },
  ],
  examples: [
    "grapevine call counter/user-42 add 2",
    `grapevine call cart/7 put '{"sku": "a1"}' --namespace shop`,
    "grapevine call counter/user-42 add -- -2",
  ],
  async run(call) {
    const [address = "", method = "", ...texts] = call.positionals;
    const slash = address.indexOf("/");
    if (slash < 1) throw usageError(`"${address}" is not TYPE/KEY, such as counter/user-42`);
    const namespace = call.values.one("namespace");
    const name = address.slice(0, slash);
    const type = namespace === undefined ? name : `${namespace}/${name}`;
    const args = texts.map(readJson);
    const timeout = call.values.one("timeout");
    const timeoutMs = timeout && reading("timeout", () => readDuration(timeout));
    const { connect } = await import("../../agent/client/connect.ts");
    await using node = await connect({ socket: call.agent().socket });
    const actor = node.actor<AnyActor>(type, address.slice(slash + 1));
    const bound = timeoutMs ? actor[withOptions]({ timeoutMs }) : actor;
    let result: unknown;
    try {
      if (bound[method] === undefined) throw usageError(`no method can be called "${method}"`);
      result = await bound[method](...args);
    } catch (error) {
      if (!(error instanceof RemoteError)) throw error;
      const what = `${address} ${method} threw ${error.name}: ${error.message}`;
      throw new GrapevineError("handler_error", what, { cause: error });
    }
    const json = JSON.stringify(result, plain, 2) ?? "null";
    return print(call, JSON.parse(json), () => (result === undefined ? "" : `${json}\n`));
  },
};

function readJson(text: string, at: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw usageError(`argument ${at + 1} is not JSON: ${text}; quote texts: '"${text}"'`);
  }
}

/** What JSON has no word for. */
function plain(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
