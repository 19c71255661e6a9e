/**
 * An ordinary HTTP service that knows nothing of Grapevine: it answers on a free loopback port and
 * says who it is. With a second argument it asks that service first, through the proxy named by
 * http_proxy as any program would. It ends when its parent does, so that no demo leaves it behind.
 *
 * node service.ts NAME [http://orders.mesh]
 */
import * as http from "node:http";
import type { AddressInfo } from "node:net";

const [name = "service", dependency] = process.argv.slice(2);
const proxy = process.env["http_proxy"];
const agent = new http.Agent({ keepAlive: true });

const server = http.createServer((request, response) => {
  if (dependency === undefined) return answer(response, 200, name);
  ask(new URL(request.url ?? "/", dependency), (status, via) =>
    answer(response, status, `${name} ${via}`),
  );
});

function answer(response: http.ServerResponse, status: number, servedBy: string): void {
  response.writeHead(status, { "content-type": "application/json", "x-served-by": servedBy });
  response.end(`${JSON.stringify({ servedBy, status })}\n`);
}

function ask(url: URL, done: (status: number, servedBy: string) => void): void {
  const target = proxy === undefined ? url : new URL(proxy);
  const request = http.get(
    {
      host: target.hostname,
      port: target.port,
      path: url.href,
      headers: { host: url.host },
      agent,
    },
    (response) => {
      response.resume();
      response.on("end", () =>
        done(response.statusCode ?? 502, String(response.headers["x-served-by"] ?? "?")),
      );
      response.on("error", () => done(502, "?"));
    },
  );
  request.on("error", () => done(502, "?"));
}

server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`ready port=${(server.address() as AddressInfo).port}\n`);
});
process.stdin.resume().on("end", () => process.exit(0));
