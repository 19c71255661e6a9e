/**
 * The service behind every subject: as little work for a request as a Node process can do, so that
 * the processors are left to what is measured. It finds the ends of heads and answers from memory.
 * Forked by the benchmark; tells its port.
 */
import { createServer } from "node:net";
import { BODIES, BODY_BYTES, PATH_PREFIX, VARIANTS } from "./bodies.ts";

const HEAD_END = "\r\n\r\n";
const VARIANT_AT = "GET ".length + PATH_PREFIX.length;

const answers = new Map(
  BODIES.map((body, at) => [
    VARIANTS.charCodeAt(at),
    Buffer.concat([
      Buffer.from(
        `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${BODY_BYTES}${HEAD_END}`,
      ),
      body,
    ]),
  ]),
);
const NOT_FOUND = Buffer.from("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");

const server = createServer({ noDelay: true }, (socket) => {
  let rest: Buffer | undefined;
  socket.on("data", (chunk: Buffer) => {
    const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (;;) {
      const end = bytes.indexOf(HEAD_END, at);
      if (end < 0) break;
      socket.write(answers.get(bytes[at + VARIANT_AT] ?? 0) ?? NOT_FOUND);
      at = end + HEAD_END.length;
    }
    rest = at < bytes.length ? bytes.subarray(at) : undefined;
  });
  socket.on("error", () => socket.destroy());
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object" && address !== null) process.send?.({ port: address.port });
});
process.on("disconnect", () => process.exit());
