/** Records of calls of actors, among those of requests. */
export function isActorRecord(service: string): boolean {
  return service.includes("/actor--");
}
