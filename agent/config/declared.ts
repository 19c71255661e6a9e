/**
 * Registrations in the configuration file: the same fields as over the local API, with the place of
 * each mistake in the file.
 */
import { type Document, isMap, isScalar, isSeq, type Node } from "yaml";
import type { Problem } from "../registrations/fields.ts";
import { defaultInstanceId, type Registration } from "../registrations/registration.ts";
import { readRegistration } from "../registrations/schema.ts";
import type { Places } from "./yaml-file.ts";

/** Values that aliases may stand for in one entry: a few lines can otherwise mean gigabytes. */
const ALIASES_MAX = 100;

/** Reads the list under `services:`; problems are added to `problems` with file, line and column. */
export function readDeclared(
  node: Node | null,
  document: Document,
  places: Places,
  problems: string[],
): readonly Registration[] {
  if (node === null || (isScalar(node) && node.value === null)) return [];
  if (!isSeq<Node>(node)) {
    problems.push(`${places.of(node)}: services: expects a list ("- name: web" and so on)`);
    return [];
  }
  const registrations: Registration[] = [];
  const seen = new Map<string, string>();
  for (const [index, item] of node.items.entries()) {
    let value: unknown;
    try {
      value = item.toJS(document, { maxAliasCount: ALIASES_MAX });
    } catch (cause) {
      // Aliases that have no anchor, or that multiply each other.
      problems.push(`${places.of(item)}: services[${index}]: ${(cause as Error).message}`);
      continue;
    }
    const read = readRegistration(value);
    if (!read.ok) {
      for (const problem of read.problems) problems.push(describe(problem, item, index, places));
      continue;
    }
    const { registration } = read;
    if (registration.leaseMs !== undefined) {
      problems.push(
        `${places.of(item)}: services[${index}].leaseMs: a lease needs somebody who renews it; ` +
          "what the file declares stays as long as it is declared",
      );
      continue;
    }
    const { namespace, name, ports } = registration;
    const key = `${namespace}/${name}/${registration.id ?? defaultInstanceId("", ports)}`;
    const earlier = seen.get(key);
    if (earlier !== undefined) {
      problems.push(
        `${places.of(item)}: services[${index}]: is declared already at ${earlier}; give one of ` +
          'them another "id"',
      );
    }
    seen.set(key, places.of(item));
    registrations.push(registration);
  }
  return registrations;
}

function describe(problem: Problem, item: Node, index: number, places: Places): string {
  const path = problem.path === "" ? "" : `.${problem.path}`;
  const place = places.of(find(item, problem.path));
  return `${place}: services[${index}]${path}: ${problem.message}`;
}

/** The node at "ports[0].port"; a missing or unknown one's nearest surroundings or key. */
function find(root: Node, path: string): Node {
  let node = root;
  for (const step of path.split(/[.[\]]+/).filter((part) => part !== "")) {
    if (isSeq<Node>(node)) {
      const next = node.items[Number(step)];
      if (next === undefined) return node;
      node = next;
    } else if (isMap<Node, Node | null>(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === step);
      if (pair === undefined) return node;
      node = pair.value ?? pair.key;
    } else {
      return node;
    }
  }
  return node;
}
