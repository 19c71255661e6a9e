/** One-frame calls over Grapevine's links: real sockets, real handshakes, sealed frames. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GrapevineError } from "../../../core/errors.ts";
import { refuse } from "../../../core/exchange/refused.ts";
import { Links } from "../../../core/link/links.ts";
import type { OnCall } from "../../../core/link/mux-owner.ts";
import type { NodeId } from "../../../core/types.ts";
import { SystemClock } from "../../../transport/clock.ts";
import { systemRandom } from "../../../transport/entropy.ts";
import { developmentIdentity } from "../../../transport/identity/node-identity.ts";
import { createLinkTransport, flushAtTurnEnd } from "../../../transport/link/link-transport.ts";
import { type Caller, marked, type RpcPeer } from "../caller.ts";

const DEADLINE_MS = 5_000;

async function openLinks(name: string, onCall?: OnCall) {
  const dataDir = mkdtempSync(join(tmpdir(), "grapevine-bench-"));
  const { identity } = developmentIdentity({ dataDir, name });
  rmSync(dataDir, { recursive: true });
  const transport = await createLinkTransport({
    privateKey: identity.privateKey,
    certificate: identity.certificate,
    trustDomain: identity.trustDomain,
    bind: "127.0.0.1:0",
    check: () => ({ ok: true, expiresWallMs: Number.POSITIVE_INFINITY }),
    report: () => {},
  });
  const clock = new SystemClock();
  const links = new Links({
    self: identity.id,
    clock,
    random: systemRandom(),
    transport,
    flushSoon: flushAtTurnEnd,
    accept: (_peer, _context, _request, observer) =>
      refuse(clock, new GrapevineError("unsupported", "only calls here"), observer),
    ...(onCall === undefined ? {} : { onCall }),
    report: () => {},
  });
  return { id: identity.id, address: transport.address, links };
}

export const peer: RpcPeer = {
  async serve() {
    const { id, address } = await openLinks("server", (_peer, payload, _deadline, respond) =>
      respond(undefined, marked(payload)),
    );
    return { contact: { id, address } };
  },
  async connect({ id, address }): Promise<Caller> {
    const { links } = await openLinks("client");
    return {
      call: (payload, done) =>
        links.call(id as NodeId, String(address), payload, DEADLINE_MS, done),
    };
  },
};
