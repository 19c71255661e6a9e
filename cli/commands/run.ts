/**
 * `grapevine run`: registers an instance for as long as a program runs. The registration is a lease
 * that this command renews, so that it ends by itself if the command is killed; at an orderly end
 * it is taken back first, and only then is the program told to stop, so that no request is sent to
 * a program that is going away.
 */

import type { NodeStatus } from "../../agent/api/node.ts";
import type { Call, Command } from "../command.ts";
import { Lease } from "../lease.ts";
import { print } from "../output.ts";
import { type RunResult, runProgram } from "../program.ts";
import { REGISTRATION_FLAGS, readInstanceId, readRegistrationBody } from "../registration-flags.ts";
import { readServiceName, shortName } from "../service-names.ts";

/** Until the first success of its check no instance gets requests; a program needs a moment. */
const DEFAULT_CHECK = { type: "tcp", intervalMs: 1_000 };

export const command: Command = {
  path: ["run"],
  summary: "run a program as an instance of a service",
  details:
    "Registers the instance, runs the program with http_proxy set to the agent's proxy, passes " +
    "signals on, takes the registration back at the end and exits with the program's code. " +
    "Without --check the port is probed each second, so that no request comes before the program " +
    "listens.",
  positionals: [{ name: "[NAMESPACE/]NAME", required: true, complete: "services" }],
  program: true,
  flags: REGISTRATION_FLAGS,
  examples: ["grapevine run web --port 8080 -- node server.js"],
  run,
};

async function run(call: Call): Promise<number> {
  const { terminal, values, program, json } = call;
  const service = readServiceName(call.positionals[0] ?? "");
  const id = readInstanceId(values);
  const given = readRegistrationBody(values);
  const probed = given.check === undefined && given.unix === undefined;
  const body = probed ? { ...given, check: DEFAULT_CHECK } : given;
  const agent = call.agent();
  const { addresses } = (await agent.get("/v1/status")) as NodeStatus;
  const lease = await Lease.take(agent, service, id, body, (text) =>
    terminal.err(`grapevine: ${text}\n`),
  );
  let result: RunResult;
  try {
    result = await runProgram(program, {
      env: programEnvironment(terminal.env, {
        proxy: addresses.proxy,
        socket: agent.socket,
        service: `${service.namespace}/${service.name}`,
        instance: lease.instance,
      }),
      folder: terminal.folder,
      // With --json standard output belongs to the result.
      outputToStderr: json,
      beforeStop: () => lease.release(),
    });
  } finally {
    await lease.release();
  }
  if (json)
    print(call, { service: shortName(service), instance: lease.instance, ...result }, () => "");
  return result.exitCode;
}

interface ProgramFacts {
  readonly proxy: string;
  readonly socket: string;
  readonly service: string;
  readonly instance: string;
}

/** The variables that make ordinary programs use the agent's proxy. */
export function programEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  { proxy, socket, service, instance }: ProgramFacts,
): Record<string, string | undefined> {
  const own = {
    ...env,
    GRAPEVINE_SOCKET: socket,
    GRAPEVINE_SERVICE: service,
    GRAPEVINE_INSTANCE: instance,
  };
  if (proxy === "off" || proxy === "") return own;
  const direct = new Set((env["no_proxy"] ?? env["NO_PROXY"] ?? "").split(",").filter(Boolean));
  for (const host of ["localhost", "127.0.0.1", "::1"]) direct.add(host);
  const noProxy = [...direct].join(",");
  return {
    ...own,
    http_proxy: `http://${proxy}`,
    HTTP_PROXY: `http://${proxy}`,
    no_proxy: noProxy,
    NO_PROXY: noProxy,
    // Node's own HTTP clients read http_proxy only when told to.
    NODE_USE_ENV_PROXY: env["NODE_USE_ENV_PROXY"] ?? "1",
  };
}
