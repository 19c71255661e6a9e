/** All fuzz targets, cheap ones first. */
import type { FuzzTarget } from "./target.ts";
import { ACTOR_ANSWER, ACTOR_CALL, ACTOR_FRAMES } from "./targets/actors.ts";
import { CONTROL_HANDSHAKE, LINK_HANDSHAKE } from "./targets/handshake.ts";
import { CHUNKED, HTTP_REQUEST, HTTP_RESPONSE } from "./targets/http.ts";
import { LINK_FRAMES, LINK_HEADS, SEALED } from "./targets/link.ts";
import { FORWARD, REGISTRATION } from "./targets/local.ts";
import {
  CERTIFICATE,
  CONTROL_FRAME,
  DOCUMENT,
  MEMBER_PACKET,
  RECORD,
  SYNC_PACKET,
} from "./targets/mesh.ts";

export const TARGETS: readonly FuzzTarget[] = [
  ...[HTTP_REQUEST, HTTP_RESPONSE, CHUNKED],
  ...[LINK_HEADS, LINK_FRAMES, SEALED],
  ...[CERTIFICATE, DOCUMENT, RECORD, MEMBER_PACKET, SYNC_PACKET, CONTROL_FRAME],
  ...[REGISTRATION, FORWARD],
  ...[ACTOR_CALL, ACTOR_ANSWER, ACTOR_FRAMES],
  ...[LINK_HANDSHAKE, CONTROL_HANDSHAKE],
];
