/**
 * One run of a health check against a local instance. A probe always answers, within the life of
 * its signal: what goes wrong, the end of its time included, is a failed result with a message that
 * a person can act on. It leaves no socket and no process behind.
 */

import type { Socket } from "node:net";
import { connect } from "node:net";
import type { ServiceProtocol } from "../../core/types.ts";
import { probeExec } from "./probe-exec.ts";
import { probeGrpc } from "./probe-grpc.ts";
import { probeHttp } from "./probe-http.ts";
import type { CheckSpec, LocalTarget } from "./registration.ts";
import { describeTarget } from "./registration.ts";

export interface ProbeResult {
  readonly ok: boolean;
  readonly message: string;
}

export interface ProbeTask {
  readonly spec: CheckSpec;
  readonly target: LocalTarget;
  readonly protocol: ServiceProtocol;
  /** "namespace/name" and the instance's id, which exec checks find in their environment. */
  readonly service: string;
  readonly instance: string;
}

/** Runs a check once. `signal` aborts when its time is over, with the reason as an Error. */
export type Probe = (task: ProbeTask, signal: AbortSignal) => Promise<ProbeResult>;

export const probe: Probe = async (task, signal) => {
  const { spec, target } = task;
  switch (spec.type) {
    case "http":
      return await probeHttp(spec.path, task, signal);
    case "grpc":
      return await probeGrpc(spec.service, target, signal);
    case "tcp":
      return await probeTcp(target, signal);
    case "exec":
      return await probeExec(spec.command, task, signal);
    case "ttl":
      return { ok: false, message: "no report yet" };
    default:
      return spec satisfies never;
  }
};

function probeTcp(target: LocalTarget, signal: AbortSignal): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = dial(target);
    const finish = (result: ProbeResult) => {
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      resolve(result);
    };
    const onAbort = () => finish(failed(signal.reason, target));
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("connect", () => finish({ ok: true, message: "connected" }));
    socket.on("error", (error) => finish(failed(error, target)));
    if (signal.aborted) onAbort();
  });
}

export function dial(target: LocalTarget): Socket {
  return "unix" in target
    ? connect({ path: target.unix })
    : connect({ host: target.host, port: target.port });
}

/** A failed result that names the address and the reason. */
export function failed(error: unknown, target: LocalTarget): ProbeResult {
  return { ok: false, message: `${describeTarget(target)}: ${reasonOf(error)}` };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node tries every address of a name, and hides the reasons in one error without a message.
  const first = error instanceof AggregateError ? error.errors[0] : error;
  const code = (first as NodeJS.ErrnoException).code;
  switch (code) {
    case "ECONNREFUSED":
      return "connection refused: nothing listens there";
    case "ENOENT":
      return "no such socket";
    case "ECONNRESET":
      return "connection reset";
    case "ENOTFOUND":
      return "the name does not resolve";
    default:
      return first instanceof Error ? first.message : String(first);
  }
}
