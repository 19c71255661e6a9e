/** Real control transports on loopback for tests: certificates of one authority, recorded events. */

import { privateKeyFromRaw } from "@libp2p/crypto/keys";
import type { CloseReason, ControlListener } from "../../../core/seams.ts";
import { checkCertificate, issueCertificate } from "../../../core/trust/certificate.ts";
import type { NodeId, WallMillis } from "../../../core/types.ts";
import {
  type ControlEvent,
  type ControlTransportOptions,
  createControlTransport,
  type RunningControlTransport,
} from "../../../transport/control/control-transport.ts";
import type { NodeIdentity } from "../../../transport/identity/node-identity.ts";
import { KeySigner, KeyVerifier, newSeed } from "../../../transport/identity/signing.ts";

const verifier = new KeyVerifier();
const running = new Set<RunningControlTransport>();

class Recorder implements ControlListener {
  readonly connected: { peer: NodeId; address: string | undefined }[] = [];
  readonly disconnected: { peer: NodeId; reason: CloseReason; at: number }[] = [];
  readonly failed: { address: string; expected: NodeId | undefined; reason: CloseReason }[] = [];
  readonly packets: { peer: NodeId; text: string; bytes: number }[] = [];
  readonly published: { topic: string; from: NodeId; text: string }[] = [];
  readonly reports: ControlEvent[] = [];
  verdict: "accept" | "ignore" | "reject" = "accept";

  onConnected(peer: NodeId, _certificate: Uint8Array, address: string | undefined): void {
    this.connected.push({ peer, address });
  }
  onDisconnected(peer: NodeId, reason: CloseReason): void {
    this.disconnected.push({ peer, reason, at: performance.now() });
  }
  onDialFailed(address: string, expected: NodeId | undefined, reason: CloseReason): void {
    this.failed.push({ address, expected, reason });
  }
  onPacket(peer: NodeId, packet: Uint8Array): void {
    const text = Buffer.from(packet.subarray(0, 64)).toString();
    this.packets.push({ peer, text, bytes: packet.length });
  }
  onPublished(topic: string, from: NodeId, message: Uint8Array): "accept" | "ignore" | "reject" {
    this.published.push({ topic, from, text: Buffer.from(message).toString() });
    return this.verdict;
  }
}

export interface TestNode {
  readonly id: NodeId;
  readonly identity: NodeIdentity;
  readonly events: Recorder;
  readonly transport: RunningControlTransport;
}

export const authority = new KeySigner(newSeed());

export function testIdentity(
  name: string,
  options: { trustDomain?: string; by?: KeySigner; ttlMs?: number } = {},
): NodeIdentity {
  const { trustDomain = "test", by = authority, ttlMs = 3_600_000 } = options;
  const seed = newSeed();
  const signer = new KeySigner(seed);
  const notBefore = Date.now() - 1_000;
  const names = { trustDomain, peer: signer.id, name, zone: "", region: "", services: ["*/*"] };
  const times = { notBefore, notAfter: notBefore + 1_000 + ttlMs, serial: "ab" };
  return {
    id: signer.id,
    privateKey: privateKeyFromRaw(new Uint8Array([...seed, ...signer.publicKey])),
    certificate: issueCertificate({ ...names, ...times }, by),
    trustDomain,
    roots: [by.id],
    name,
    zone: "",
    region: "",
    dev: false,
    signer,
  };
}

export async function startNode(
  name: string,
  options: Partial<ControlTransportOptions> = {},
): Promise<TestNode> {
  const identity = options.identity ?? testIdentity(name);
  const events = new Recorder();
  const transport = await createControlTransport({
    identity,
    bind: "127.0.0.1:0",
    topics: ["documents"],
    report: (event) => events.reports.push(event),
    check: (peer, certificate) => {
      const { trustDomain, roots } = identity;
      const wall = Date.now() as WallMillis;
      const verdict = checkCertificate(certificate, { peer, trustDomain, roots, verifier, wall });
      return verdict.ok ? { ok: true, expiresWallMs: verdict.certificate.notAfter } : verdict;
    },
    ...options,
  });
  running.add(transport);
  transport.start(events);
  return { id: identity.id, identity, events, transport };
}

export async function stopNodes(): Promise<void> {
  await Promise.all([...running].map((transport) => transport.stop()));
  running.clear();
}

/** Waits for a condition; its text is the error if it does not come true. */
export async function until(what: string, holds: () => boolean, msMax = 5_000): Promise<void> {
  const end = performance.now() + msMax;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${msMax} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export async function connect(dialer: TestNode, target: TestNode): Promise<void> {
  dialer.transport.dial(target.transport.address, undefined);
  await until(
    `${dialer.identity.name} and ${target.identity.name} are connected`,
    () => dialer.transport.isConnected(target.id) && target.transport.isConnected(dialer.id),
  );
}

export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
