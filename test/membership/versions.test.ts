/** Statements and packets of a later version, in a mesh whose other members are of this one. */
import { describe, expect, it } from "vitest";
import { encode } from "../../core/codec.ts";
import { ENVELOPE_KINDS, openEnvelope, sealEnvelope } from "../../core/trust/envelope.ts";
import type { Millis } from "../../core/types.ts";
import {
  content,
  directoryOf,
  fakeSigner,
  instance,
  nodeId,
  Outbox,
  TestMesh,
  WALL,
} from "./directory-mesh.ts";

const OWNER = nodeId("later");
const fields = {
  ...{ v: 2, part: 0, ...content("later", [instance("web", "one")]) },
  ...{ owner: OWNER, epoch: 1, seq: 1, nonce: 5, notAfter: WALL + 3_600_000, shards: [] },
  carbon: { gramsPerKwh: 40, source: ["grid", "sun"] },
};
const statement = sealEnvelope(ENVELOPE_KINDS.owner, fields, fakeSigner(OWNER));

describe("a document of a later version", () => {
  it("is used for what is known of it and passed on byte for byte, over agents in between", () => {
    const mesh = new TestMesh(3);
    for (const name of ["a", "b", "c"]) mesh.add(name, directoryOf(name, { pushEnabled: false }));
    mesh.node("a").restore(statement, mesh.now, mesh.wall);
    mesh.connect("a", "b");
    mesh.connect("b", "c");
    mesh.runUntil(60_000);
    const kept = mesh.outbox("c").kept.find(({ owner }) => owner === OWNER);
    expect(Buffer.from(kept?.message ?? [])).toEqual(Buffer.from(statement));
    expect(openEnvelope(kept?.message ?? statement)?.fields["carbon"]).toEqual(fields.carbon);
  });
});

describe("a packet of a later version", () => {
  it("is ignored and nobody is blamed for it; one of no version is", () => {
    const directory = directoryOf("a");
    const out = new Outbox();
    const peer = nodeId("b");
    directory.onPeerUp(peer, 1_000 as Millis, WALL, out);
    const on = (packet: unknown) =>
      directory.onPacket(peer, encode(packet), 2_000 as Millis, WALL, out);
    expect(on([77, { anything: [1, 2] }, "more"])).toBe("ignored");
    expect(on(["77"])).toBe("malformed");
    expect(out.reports).toEqual([]);
  });
});
