/**
 * S-M9. Judged at rest, when all faults are long over: whatever happened, crash loops included, what
 * a node holds follows from who there is and not from what was said.
 */
import type { CreateChecker } from "./checker.ts";

/** Connections that a heal has brought are given up one after the other once they are not needed. */
const TRIMMED_US = 30_000_000;
/** A suspicion of the last moments may still be told. */
const TOLD_SHARE = 0.25;

export const boundedState: CreateChecker = ({ nodes, observers, fullMeshMax, connectionsMax }) => {
  let present = nodes;
  let healedAt = 0;
  return {
    name: "S-M9",
    statement: "at rest a node holds one row per identity, few neighbours and nothing left to tell",
    on: {
      healed: ({ at, broken }) => {
        healedAt = at;
        present = nodes - broken.length;
      },
      settled: ({ at, node, held }, report) => {
        if (held === undefined) return;
        const { members, statements, rumours, subjects, peers } = held;
        const say = (what: string) => report(`n${node} holds ${what}`, [node]);
        if (members > nodes) say(`${members} members of ${nodes} identities`);
        if (statements > nodes) say(`${statements} documents of ${nodes} owners`);
        if (rumours > Math.max(2, nodes * TOLD_SHARE)) say(`${rumours} rumours that do not end`);
        if (present > observers + 2 && subjects > observers) {
          say(`${subjects} subjects, though each member needs ${observers} observers`);
        }
        const isSparse = present > fullMeshMax + 1 && at - healedAt > TRIMMED_US;
        if (isSparse && peers > connectionsMax) say(`${peers} connections`);
      },
    },
  };
};
