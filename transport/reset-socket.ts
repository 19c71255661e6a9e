/**
 * Ends a connection with a reset. The kernel's interface has none for a socket whose end is just
 * being sent: Node then loses hold of the socket, which stays open for ever and never tells that it
 * is closed. Such a one is closed as it is; its peer has been told of the end anyway.
 */
import type { Socket } from "node:net";

export function resetSocket(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}
