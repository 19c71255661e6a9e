/**
 * S-A1. When a ring changes, nodes learn of it one after another, and until they have, two of them may
 * each rightly think that an actor is theirs. So an overlap is a violation only if it outlasts the
 * time in which connected, sound nodes come to agree; two in one process are one at once.
 */
import type { CreateChecker, Report } from "./checker.ts";
import { Excuses } from "./excuses.ts";

interface Life {
  readonly node: number;
  readonly activation: number;
}

interface Overlap {
  readonly actor: string;
  readonly lives: readonly [Life, Life];
  readonly since: number;
}

/** On top of the detection of a death: the news of a new owner, by anti-entropy alone. */
const SPREAD_MS = 30_000;

/** Pairs of lives that have begun to overlap, until one ends or they last too long. */
function watchOverlaps(excuses: Excuses, handoverUs: number) {
  let overlaps: Overlap[] = [];
  return {
    add: (overlap: Overlap) => {
      overlaps.push(overlap);
    },
    end: (isOver: (life: Life) => boolean) => {
      overlaps = overlaps.filter(({ lives }) => !lives.some(isOver));
    },
    judge: (now: number, report: Report) => {
      if (overlaps.length === 0) return;
      const over = overlaps.filter(({ since }) => now - since > handoverUs);
      if (over.length === 0) return;
      overlaps = overlaps.filter(({ since }) => now - since <= handoverUs);
      for (const { actor, lives, since } of over) {
        const [one, other] = lives;
        const isExcused =
          !excuses.isSound(one.node, since) ||
          !excuses.isSound(other.node, since) ||
          !excuses.areConnected(one.node, other.node, since);
        if (isExcused) continue;
        const ms = (now - since) / 1_000;
        report(`${actor} has lived on n${one.node} and on n${other.node} for ${ms} ms`, [
          one.node,
          other.node,
        ]);
      }
    },
  };
}

export const oneActivation: CreateChecker = ({ detectMs, nodes }) => {
  const excuses = new Excuses();
  const lives = new Map<string, Life[]>();
  const overlaps = watchOverlaps(excuses, (detectMs + SPREAD_MS) * 1_000);
  const { judge, end } = overlaps;
  return {
    name: "S-A1",
    statement: "an actor lives once among connected nodes, but for a hand-over",
    on: {
      start: (event) => excuses.onStart(event),
      fault: (event, report) => {
        judge(event.at, report);
        excuses.onFault(event);
      },
      stop: (event, report) => {
        judge(event.at, report);
        excuses.onStop(event);
        const { node } = event;
        for (const [actor, known] of lives) {
          if (known.some((life) => life.node === node)) {
            lives.set(
              actor,
              known.filter((life) => life.node !== node),
            );
          }
        }
        end((life) => life.node === node);
      },
      activated: ({ at, node, actor, activation }, report) => {
        judge(at, report);
        const known = lives.get(actor) ?? [];
        const mine = { node, activation };
        for (const life of known) {
          if (life.node === node) report(`${actor} lives twice on n${node}`, [node]);
          // A clone has a number of its own and the key of another.
          else if (node < nodes && life.node < nodes) {
            overlaps.add({ actor, lives: [life, mine], since: at });
          }
        }
        lives.set(actor, [...known, mine]);
      },
      deactivated: ({ at, actor, activation }, report) => {
        judge(at, report);
        const known = lives.get(actor) ?? [];
        lives.set(
          actor,
          known.filter((life) => life.activation !== activation),
        );
        end((life) => life.activation === activation);
      },
    },
    atEnd: (now, report) => judge(now, report),
  };
};
