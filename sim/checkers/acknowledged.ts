/** S-D4 and S-D5. */
import type { CreateChecker } from "./checker.ts";

/** What was acknowledged last about each instance, by node. */
function trackAcknowledged() {
  const last = new Map<string, { readonly node: number; readonly isThere: boolean }>();
  return {
    last,
    put: (node: number, instance: string, isThere: boolean) => {
      last.set(`${node} ${instance}`, { node, isThere });
    },
    /** A machine that lost its disk promises nothing any more. */
    forget: (node: number) => {
      for (const [key, value] of last) if (value.node === node) last.delete(key);
    },
  };
}

export const acknowledged: CreateChecker = () => {
  const { last, put, forget } = trackAcknowledged();
  const started = new Set<number>();
  const gone = new Set<number>();
  return {
    name: "S-D4",
    statement: "a registration that was acknowledged is known to all at the end, whatever happened",
    isFitForReal: true,
    on: {
      start: ({ node, disk, at }) => {
        if (disk !== "kept" && at > 0 && started.has(node)) forget(node);
        started.add(node);
      },
      registered: ({ node, instance }) => put(node, instance, true),
      deregistered: ({ node, instance }) => put(node, instance, false),
      // A machine that stays broken is dead, and what it offers with it.
      healed: ({ broken }) => {
        for (const node of broken) gone.add(node);
      },
      settled: ({ node: viewer, instances }, report) => {
        if (instances.length === 0) return;
        const listed = new Set(instances);
        for (const [key, { node, isThere }] of last) {
          const instance = key.slice(key.indexOf(" ") + 1);
          if (!isThere || listed.has(instance) || gone.has(node)) continue;
          report(`n${viewer} does not know ${instance}, acknowledged by n${node}`, [viewer, node]);
        }
      },
    },
  };
};

export const noUndead: CreateChecker = () => {
  const { last, put } = trackAcknowledged();
  return {
    name: "S-D5",
    statement: "an instance whose removal was acknowledged is listed by nobody at the end",
    isFitForReal: true,
    on: {
      registered: ({ node, instance }) => put(node, instance, true),
      deregistered: ({ node, instance }) => put(node, instance, false),
      settled: ({ node: viewer, instances }, report) => {
        const there = new Set<string>();
        const gone = new Map<string, number>();
        for (const [key, { node, isThere }] of last) {
          const instance = key.slice(key.indexOf(" ") + 1);
          if (isThere) there.add(instance);
          else gone.set(instance, node);
        }
        for (const instance of instances) {
          const node = gone.get(instance);
          if (node === undefined || there.has(instance)) continue;
          report(`n${viewer} still lists ${instance}, removed by n${node}`, [viewer, node]);
        }
      },
    },
  };
};
