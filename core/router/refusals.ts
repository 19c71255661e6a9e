/**
 * Why a request could not be sent anywhere, in words that a person can act on: which name was not
 * known and which known one is near, which ports there are, and what is wrong with each instance.
 */
import { GrapevineError } from "../errors.ts";
import type { ServiceKey } from "../types.ts";
import type { MeshView } from "../view.ts";
import type { CandidateQuestion, Tally } from "./candidates.ts";
import type { ServiceState } from "./services.ts";

const SUGGESTIONS_MAX = 3;
/** More services than this are not searched for near names: the answer must stay cheap. */
const SEARCHED_MAX = 1_000;
const LISTED_MAX = 8;

export function unknownService(key: ServiceKey, view: MeshView): GrapevineError {
  const near = nearNames(key, view);
  const hint =
    near.length > 0
      ? `did you mean ${near.join(" or ")}?`
      : view.services.size === 0
        ? "no service is known here yet; see `grapevine services` and `grapevine members`"
        : `${known(view.services.size)}; see \`grapevine services\``;
  return new GrapevineError("unknown_service", `no service ${key} in the mesh: ${hint}`);
}

function known(services: number): string {
  return services === 1 ? "one other service is known" : `${services} services are known`;
}

/** Undefined if the service, its instance and its port exist and speak what the request speaks. */
export function misdirected(
  state: ServiceState,
  question: Pick<CandidateQuestion, "named" | "port">,
  kind: "http" | "tcp",
): GrapevineError | undefined {
  const { key } = state.view;
  const { named, port } = question;
  const speaks = kind === "tcp" || state.view.protocol !== "tcp";
  // Nearly every request; looking at each instance of a large service would cost more than routing.
  if (named === undefined && speaks && state.ports.includes(port)) return undefined;
  const meant = state.targets.filter((target) => named === undefined || target.id === named);
  if (meant.length === 0 && named !== undefined) {
    const known = listed(state.targets.map((target) => target.id));
    return new GrapevineError(
      "unknown_service",
      `no instance ${named} of ${key}: it has ${known || "none"}`,
    );
  }
  if (meant.length > 0 && !meant.some((target) => target.instance.ports.includes(port))) {
    const ports = [...new Set(meant.flatMap((target) => target.instance.ports))];
    const offered = listed(ports.sort((a, b) => a - b).map(String)) || "none";
    return new GrapevineError(
      "unknown_service",
      `${key} does not offer port ${port}; it offers ${offered}`,
    );
  }
  if (!speaks) {
    return new GrapevineError(
      "unsupported",
      `${key} is registered as tcp: dial it with CONNECT or \`grapevine forward\`, ` +
        "or register it with --protocol http",
    );
  }
  return undefined;
}

/** For a service of which no instance may be used now. */
export function noCandidate(
  key: ServiceKey,
  question: CandidateQuestion,
  tally: Tally,
): GrapevineError {
  const what = question.named === undefined ? key : `instance ${question.named} of ${key}`;
  const found = [...tally].map(([verdict, count]) => `${count} ${verdict.replace("_", " ")}`);
  const detail =
    found.length > 0 ? found.join(", ") : "every agent that offered it is dead or has left";
  const code = tally.has("full")
    ? "overloaded"
    : tally.has("breaker_open")
      ? "circuit_open"
      : "no_instance";
  return new GrapevineError(code, `${what} has no instance that can take a request: ${detail}`);
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, LISTED_MAX).join(", ");
  return names.length > LISTED_MAX ? `${shown} and ${names.length - LISTED_MAX} more` : shown;
}

/** Known services whose name differs by a slip of the hand, or only by the namespace. */
function nearNames(key: ServiceKey, view: MeshView): ServiceKey[] {
  const name = key.slice(key.indexOf("/") + 1);
  const found: { key: ServiceKey; distance: number }[] = [];
  const slips = Math.max(1, Math.floor(name.length / 4));
  let searched = 0;
  for (const service of view.services.values()) {
    if (searched >= SEARCHED_MAX) break;
    searched += 1;
    if (Math.abs(service.name.length - name.length) > slips) continue;
    const distance = service.name === name ? 0 : editDistance(name, service.name);
    if (distance <= slips) found.push({ key: service.key, distance });
  }
  found.sort((a, b) => a.distance - b.distance || (a.key < b.key ? -1 : 1));
  return found.slice(0, SUGGESTIONS_MAX).map((each) => each.key);
}

/** Insertions, deletions and replacements between two names (Wagner and Fischer). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
