/**
 * Where a request is to go: a listener of one service sends everything there, a proxy goes by the
 * host that the client dialled. Names under .mesh are the mesh's; everything else is outside.
 */
import type { Destination } from "../exchange/front.ts";
import { isMeshHost, parseMeshHost } from "../names.ts";
import type { ServiceKey } from "../types.ts";
import type { IncomingRequest } from "./request-reader.ts";
import type { HttpFault } from "./syntax.ts";

/** What a listener is for: any host that a client names, or one service whatever it names. */
export type ListenerMode =
  | { readonly kind: "proxy" }
  | {
      readonly kind: "service";
      readonly service: ServiceKey;
      readonly instance?: string | undefined;
      readonly port: number;
    };

const HTTP_PORT = 80;

export function destinationOf(
  request: IncomingRequest,
  mode: ListenerMode,
): Destination | HttpFault {
  if (mode.kind === "service") {
    const { service, instance, port } = mode;
    return { kind: "mesh", service, instance, port };
  }
  const { place } = request;
  if (place === undefined) {
    return {
      code: "bad_request",
      message: "the request names no host; give a Host like web.mesh, or a whole URL",
    };
  }
  const port = place.port ?? HTTP_PORT;
  if (!isMeshHost(place.host)) return { kind: "outside", host: place.host, port };
  const target = parseMeshHost(place.host);
  if (target === undefined) {
    const forms = "NAME.mesh, NAME.NAMESPACE.mesh or INSTANCE.NAME.NAMESPACE.mesh";
    const message = `${place.host} cannot name a service; names are ${forms}`;
    return { code: "unknown_service", message };
  }
  return { kind: "mesh", service: target.service, instance: target.instance, port };
}
