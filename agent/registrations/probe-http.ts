/** The HTTP check: a GET whose status is 2xx or 3xx, over HTTP/1.1 or, for h2c services, HTTP/2. */
import { request, STATUS_CODES } from "node:http";
import { requestHttp2 } from "./http2-request.ts";
import type { ProbeResult, ProbeTask } from "./probe.ts";
import { failed } from "./probe.ts";
import type { LocalTarget } from "./registration.ts";
import { describeTarget } from "./registration.ts";

const USER_AGENT = "grapevine-health-check";

export async function probeHttp(
  path: string,
  task: ProbeTask,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { target, protocol } = task;
  try {
    const status =
      protocol === "h2c" || protocol === "grpc"
        ? await statusOverHttp2(path, target, signal)
        : await statusOverHttp1(path, target, signal);
    const name = STATUS_CODES[status];
    const message = name === undefined ? `HTTP ${status}` : `HTTP ${status} ${name}`;
    return { ok: status >= 200 && status < 400, message };
  } catch (error) {
    return failed(signal.aborted ? signal.reason : error, target);
  }
}

function statusOverHttp1(path: string, target: LocalTarget, signal: AbortSignal): Promise<number> {
  const place =
    "unix" in target ? { socketPath: target.unix } : { host: target.host, port: target.port };
  const host = "unix" in target ? "localhost" : describeTarget(target);
  return new Promise((resolve, reject) => {
    const outgoing = request({
      ...place,
      path,
      agent: false,
      signal,
      headers: { host, "user-agent": USER_AGENT, accept: "*/*", connection: "close" },
    });
    outgoing.on("error", reject);
    outgoing.on("response", (response) => {
      // The status is the answer; the body may be endless.
      response.on("error", () => undefined);
      resolve(response.statusCode ?? 0);
      outgoing.destroy();
    });
    outgoing.on("upgrade", (_response, socket) => {
      resolve(101);
      socket.destroy();
    });
    outgoing.end();
  });
}

async function statusOverHttp2(
  path: string,
  target: LocalTarget,
  signal: AbortSignal,
): Promise<number> {
  const headers = { ":method": "GET", ":path": path, "user-agent": USER_AGENT };
  const answer = await requestHttp2(target, headers, undefined, signal);
  return answer.status;
}
