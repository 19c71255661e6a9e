/**
 * An ordinary HTTP client under a steady rate: plain node:http through a proxy. It never repeats a
 * request; what fails, failed. Each outcome is one line on standard output, measured here:
 * `{"at": ms since 1970 when sent, "ms": duration, "status": number, "by": served by, "error"?}`.
 *
 * node client.ts PROXY-URL URL REQUESTS-PER-SECOND
 */
import * as http from "node:http";

const [proxyUrl = "", url = "", rate = "100"] = process.argv.slice(2);
const proxy = new URL(proxyUrl);
const host = new URL(url).host;
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
const TIMEOUT_MS = 10_000;
let sent = 0;

function send(): void {
  const at = Date.now();
  const start = performance.now();
  let ended = false;
  const report = (status: number, by: string, error?: string) => {
    if (ended) return;
    ended = true;
    const ms = performance.now() - start;
    process.stdout.write(`${JSON.stringify({ at, ms, status, by, error })}\n`);
  };
  const request = http.get(
    {
      host: proxy.hostname,
      port: proxy.port,
      path: `${url}?request=${sent}`,
      headers: { host },
      agent,
      timeout: TIMEOUT_MS,
    },
    (response) => {
      const status = response.statusCode ?? 0;
      const reason = response.headers["grapevine-error"];
      response.resume();
      response.on("error", (error) => report(0, "", error.message));
      response.on("end", () =>
        report(
          status,
          String(response.headers["x-served-by"] ?? ""),
          reason === undefined ? undefined : String(reason),
        ),
      );
    },
  );
  request.on("timeout", () => request.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)));
  request.on("error", (error) => report(0, "", error.message));
  sent += 1;
}

const start = performance.now();
setInterval(() => {
  const due = ((performance.now() - start) / 1000) * Number(rate);
  while (sent < due) send();
}, 5);
process.stdin.resume().on("end", () => process.exit(0));
