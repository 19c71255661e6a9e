/** All members of the SWIM peer on one world, each in a process that can be starved or ended. */
import { hash32 } from "../../core/hash.ts";
import { SeededRandom } from "../../core/random.ts";
import { Lane } from "../engine/lane.ts";
import type { World } from "../engine/world.ts";
import type { Paths } from "../network/paths.ts";
import type { SwimConfig } from "./config.ts";
import { Datagrams } from "./datagrams.ts";
import { SwimMember } from "./member.ts";
import { type MemberMode, messageBytes, type StateRow, tableBytes } from "./messages.ts";
import type { SwimSeat } from "./seat.ts";

/** `viewer` holds `subject` for this from now on. */
export type OnMode = (viewer: number, subject: number, mode: MemberMode) => void;

export interface ClusterOptions {
  readonly world: World;
  readonly paths: Paths;
  readonly config: SwimConfig;
  readonly nodes: number;
  readonly onMode: OnMode;
}

interface Process {
  readonly lane: Lane;
  readonly member: SwimMember;
}

export class Cluster {
  readonly datagrams: Datagrams;
  readonly #options: ClusterOptions;
  readonly #processes: Process[] = [];

  constructor(options: ClusterOptions) {
    this.#options = options;
    const { world, paths, nodes, config, onMode } = options;
    this.datagrams = new Datagrams(world, paths);
    for (let node = 0; node < nodes; node += 1) {
      const lane = new Lane(node + 1, node);
      const member = new SwimMember(config, this.#seat(node, lane), {
        onMode: (subject, mode) => onMode(node, subject, mode),
      });
      this.#processes.push({ lane, member });
      this.datagrams.open(lane, (packet) => member.receive(packet));
    }
    const all = Array.from({ length: nodes }, (_, node) => node);
    for (const { lane, member } of this.#processes) {
      world.plan(world.now, lane, "application", () => member.start(all));
    }
  }

  lane(node: number): Lane {
    return this.#process(node).lane;
  }

  member(node: number): SwimMember {
    return this.#process(node).member;
  }

  /** The machine loses power: nobody hears anything of it. */
  stop(node: number): void {
    this.lane(node).end();
  }

  #process(node: number): Process {
    return this.#processes[node] as Process;
  }

  #seat(self: number, lane: Lane): SwimSeat {
    const { world } = this.#options;
    const random = new SeededRandom(hash32(`swim ${world.seed} ${self}`, world.seed));
    return {
      ...{ self, random },
      now: () => world.now / 1_000,
      after: (ms, callback) => {
        const event = world.plan(world.now + Math.ceil(ms * 1_000), lane, "timer", callback);
        return {
          cancel: () => {
            event.run = undefined;
          },
        };
      },
      send: (to, packet) => this.datagrams.send(self, to, packet),
      streamPing: (to, onAck) => this.#streamPing(self, to, onAck),
      exchange: (to, table, onTable) => this.#exchange(self, to, table, onTable),
    };
  }

  #streamPing(from: number, to: number, onAck: () => void): void {
    const ping = messageBytes({ kind: "ping", seq: 0, target: to });
    const ack = messageBytes({ kind: "ack", seq: 0 });
    this.datagrams.request(from, to, ping, () => this.datagrams.answer(to, from, ack, onAck));
  }

  #exchange(
    from: number,
    to: number,
    table: readonly StateRow[],
    onTable: (rows: readonly StateRow[]) => void,
  ): void {
    this.datagrams.request(from, to, tableBytes(table.length), () => {
      const answer = this.member(to).onExchange(table);
      this.datagrams.answer(to, from, tableBytes(answer.length), () => onTable(answer));
    });
  }
}
