import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually, RawClient, Rig } from "./rig.ts";

let rig: Rig;

beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.close());

const get = (host: string) => `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;

describe("a request that comes back to the agent that sent it", () => {
  it("is answered with 508 once, where a service is registered at the proxy itself", async () => {
    const { port } = await rig.listen();
    rig.targets.set("default/web", { host: "127.0.0.1", port });
    const answer = await new RawClient(port).send(get("web.mesh")).untilEnd();
    expect(answer).toMatch(/^HTTP\/1.1 508 [\s\S]*dialled by its own agent/);
    expect(rig.seen).toHaveLength(1);
    expect(rig.events).toMatchObject([{ kind: "loop" }]);
  });

  it("is answered with 508 once, where a name outside leads to the proxy", async () => {
    const { port } = await rig.listen({ host: "0.0.0.0" });
    const answer = await new RawClient(port).send(get(`127.0.0.2:${port}`)).untilEnd();
    expect(answer).toMatch(/^HTTP\/1.1 508 [\s\S]*dialled by its own agent/);
    expect(rig.seen).toHaveLength(1);
  });

  it("is reset, where a TCP service is registered at the port that is forwarded to it", async () => {
    const { port } = await rig.forward("default/db");
    rig.targets.set("default/db", { host: "127.0.0.1", port });
    const client = new RawClient(port);
    await client.untilEnd();
    expect(rig.seen).toHaveLength(1);
    await eventually(() => rig.upstreams.snapshot().length === 0);
  });
});

describe("a client that is no part of a circle", () => {
  it("is served on any port, also after many connections of the agent have closed", async () => {
    await rig.serve("web", (_request, response) => response.end("ok"));
    const { port } = await rig.listen();
    for (let request = 0; request < 20; request += 1) {
      expect(await new RawClient(port).send(get("web.mesh")).untilEnd()).toMatch(/ok$/);
    }
    expect(rig.events).toEqual([]);
  });
});
