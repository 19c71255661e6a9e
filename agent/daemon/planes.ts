/**
 * The two planes of a running agent over real sockets: the control plane on libp2p and the links,
 * both with one identity and one judgement of certificates, and both reporting to one log.
 */
import type { Logger } from "pino";
import { formatHostPort, parseHostPort, reachableHost } from "../../transport/addresses.ts";
import {
  type ControlEvent,
  createControlTransport,
  type RunningControlTransport,
} from "../../transport/control/control-transport.ts";
import {
  createLinkTransport,
  type LinkTransportEvent,
  type RunningLinkTransport,
} from "../../transport/link/link-transport.ts";
import type { AgentConfig } from "../config/config.ts";
import type { Log } from "../telemetry/log.ts";
import { listenAt } from "./listen.ts";
import type { Trust } from "./trust.ts";

export interface Planes {
  readonly control: RunningControlTransport;
  readonly links: RunningLinkTransport;
  /** HOST:PORT at which others reach the link port. */
  readonly linkAdvertised: string;
}

export async function openPlanes(
  config: AgentConfig,
  trust: Trust,
  topics: readonly string[],
  log: Log,
): Promise<Planes> {
  const { identity, mesh, checkPeer } = trust;
  const opening = await Promise.allSettled([
    listenAt(config.bind, "--bind", (host, port) =>
      createControlTransport({
        identity: { ...identity, trustDomain: mesh },
        bind: formatHostPort(host, port),
        ...(config.advertise === undefined ? {} : { advertise: config.advertise }),
        check: checkPeer,
        topics,
        report: (event) => logControl(log.component("control"), event),
      }),
    ),
    listenAt(config.linkBind, "--link-bind", (host, port) =>
      createLinkTransport({
        privateKey: identity.privateKey,
        certificate: identity.certificate,
        trustDomain: mesh,
        bind: formatHostPort(host, port),
        check: checkPeer,
        report: (event) => logLinks(log.component("links"), event),
      }),
    ),
  ]);
  const [control, links] = opening;
  if (control.status === "fulfilled" && links.status === "fulfilled") {
    const linkAdvertised = config.linkAdvertise ?? reachable(links.value.address);
    return { control: control.value, links: links.value, linkAdvertised };
  }
  if (control.status === "fulfilled") await control.value.stop();
  if (links.status === "fulfilled") await links.value.close();
  throw control.status === "rejected" ? control.reason : (links as PromiseRejectedResult).reason;
}

function reachable(address: string): string {
  const parsed = parseHostPort(address);
  return parsed === undefined ? address : formatHostPort(reachableHost(parsed.host), parsed.port);
}

function logControl(logger: Logger, event: ControlEvent): void {
  switch (event.kind) {
    case "handshake_failed": {
      const { address, peer, reason } = event;
      logger.warn({ address, peer, reason: reason.kind }, `refused ${address}: ${reason.detail}`);
      return;
    }
    case "handshakes_failed":
      logger.warn(event, `refused ${event.count} more connections`);
      return;
    case "packets_dropped":
      logger.warn(event, `dropped ${event.count} packets: the peer does not read`);
      return;
    default:
      logger.warn(event, event.detail);
  }
}

function logLinks(logger: Logger, event: LinkTransportEvent): void {
  switch (event.kind) {
    case "cipher_fallback":
      logger.warn(`links use a slower cipher: ${event.detail}`);
      return;
    case "handshake_failed":
      logger.warn({ remote: event.remote }, `refused ${event.remote}: ${event.detail}`);
      return;
    case "handshakes_failed":
      logger.warn(event, `refused ${event.count} more connections`);
      return;
    case "certificate_refused": {
      const { remote, peer, by, detail } = event;
      const who = by === "us" ? `the certificate of ${remote}` : `our certificate by ${remote}`;
      logger.warn({ remote, peer }, `refused ${who}: ${detail}`);
    }
  }
}
