/** Documents travel on the topic of their region, and everybody hears of regions in time. */
import { describe, expect, it } from "vitest";
import type { Millis } from "../../core/types.ts";
import {
  content,
  directoryOf,
  instance,
  nodeId,
  Outbox,
  TestMesh,
  WALL,
} from "./directory-mesh.ts";

const NOW = 1_000 as Millis;
const topic = (region: string) => `grapevine/directory/1/${region}`;

function inRegion(name: string, region: string) {
  return { ...content(name, [instance("web", `${name}-1`)]), region };
}

describe("an owner", () => {
  it("publishes on the topic of its region alone, with the region in the document", () => {
    const directory = directoryOf("a", { region: "eu" });
    const out = new Outbox();
    directory.setOwn(inRegion("a", "eu"), NOW, WALL, out);
    expect(out.published.map((each) => each.topic)).toEqual([topic("eu")]);
    const reader = directoryOf("b", { region: "us" });
    const [message] = out.published.map((each) => each.message) as [Uint8Array];
    expect(reader.onPublished(topic("us"), message, NOW, WALL, new Outbox())).toBe("ignore");
    expect(reader.onPublished(topic("eu"), message, NOW, WALL, new Outbox())).toBe("accept");
    expect(reader.get(nodeId("a"))?.region).toBe("eu");
  });

  it("publishes nothing that names another region than its topic: others would refuse it", () => {
    const directory = directoryOf("a", { region: "eu" });
    const out = new Outbox();
    directory.setOwn(inRegion("a", "us"), NOW, WALL, out);
    expect(out.published).toEqual([]);
    expect(directory.get(nodeId("a"))?.region).toBe("us");
  });
});

describe("a region nobody here stands in", () => {
  it("is heard of by anti-entropy, and from then on its topic is followed", () => {
    const mesh = new TestMesh(3);
    mesh.add("a", directoryOf("a", { region: "eu" }));
    mesh.add("b", directoryOf("b", { region: "us" }));
    mesh.connect("a", "b");
    mesh.setOwn("a", inRegion("a", "eu"));
    mesh.setOwn("b", inRegion("b", "us"));
    expect(mesh.node("b").topics()).toEqual([topic("us")]);
    mesh.runUntil(10_000);
    expect(mesh.roots().size).toBe(1);
    expect(mesh.node("b").topics()).toEqual([topic("us"), topic("eu")]);
  });
});
