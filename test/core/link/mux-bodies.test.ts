import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Accept } from "../../../core/link/mux-owner.ts";
import { SeededRandom } from "../../../core/random.ts";
import type { NodeId } from "../../../core/types.ts";
import { CONTEXT, Notes, OK, REQUEST, World } from "./world.ts";

const TINY = {
  streamWindowBytes: 64,
  streamWindowBytesMax: 256,
  windowPoolBytes: 300,
  promptBytes: 16,
  sendQueueBytes: 128,
};

/** A writer that respects back-pressure and can be asked to go on. */
function feed(
  bytes: Buffer,
  random: SeededRandom,
  write: (chunk: Buffer) => boolean,
  end: () => void,
) {
  let at = 0;
  const more = () => {
    while (at < bytes.length) {
      const length = Math.min(bytes.length - at, 1 + random.below(90));
      at += length;
      if (!write(bytes.subarray(at - length, at))) return;
    }
    if (at === bytes.length) {
      at += 1;
      end();
    }
  };
  return more;
}

/** A reader that pauses at random and comes back some time later. */
function reader(world: World, random: SeededRandom, side: { pause(): void; resume(): void }) {
  return () => {
    if (random.below(4) !== 0) return;
    side.pause();
    world.after(random.below(20), () => side.resume());
  };
}

describe("bodies on one link", () => {
  it("arrive whole and in order, whatever the sizes, pauses and windows", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.array(fc.tuple(fc.nat(3000), fc.nat(3000)), { minLength: 1, maxLength: 8 }),
        fc.constantFrom(200, 4000, Number.POSITIVE_INFINITY),
        (seed, sizes, channelBytes) => {
          const world = new World();
          world.channelBytes = channelBytes;
          const random = new SeededRandom(seed);
          const received = new Map<string, Buffer[]>();
          const answer = (index: number) => random.fork(`answer ${index}`);
          const a = world.node("a", { config: TINY });
          world.node("b", {
            config: TINY,
            accept: (_peer, context, _request, observer) => {
              const index = Number(context.requestId);
              const chunks: Buffer[] = [];
              received.set(context.requestId, chunks);
              const body = Buffer.from(answer(index).bytes(sizes[index]?.[1] ?? 0));
              let paused = false;
              const more = feed(
                body,
                new SeededRandom(seed + index),
                (chunk) => {
                  observer.onBody(chunk);
                  return !paused;
                },
                () => finish("answered"),
              );
              // Every second exchange ends its answer only when the request is complete.
              const done = new Set(index % 2 === 0 ? ["asked"] : []);
              const finish = (what: string) => {
                if (done.add(what).size === 2) observer.onEnd([]);
              };
              world.after(random.below(5), () => {
                observer.onHead(OK);
                if (!paused) more();
              });
              let blocked = false;
              return {
                writeBody(chunk) {
                  chunks.push(Buffer.from(chunk));
                  if (random.below(3) === 0 && !blocked) {
                    blocked = true;
                    world.after(random.below(15), () => {
                      blocked = false;
                      observer.onRequestDrain();
                    });
                  }
                  return !blocked;
                },
                endBody() {
                  chunks.push(Buffer.from("END"));
                  if (index % 2 === 1) finish("asked");
                },
                cancel() {},
                pause() {
                  paused = true;
                },
                resume() {
                  paused = false;
                  more();
                },
              };
            },
          });
          const all = sizes.map(([size], index) => {
            const bytes = Buffer.from(random.fork(`request ${index}`).bytes(size));
            const notes = new Notes();
            const context = { ...CONTEXT, requestId: String(index) };
            const exchange = a.links.open("b" as NodeId, "b", context, REQUEST, notes);
            const pauseSometimes = reader(world, random, exchange);
            const take = notes.onBody.bind(notes);
            notes.onBody = (chunk) => {
              take(chunk);
              pauseSometimes();
            };
            const more = feed(
              bytes,
              new SeededRandom(seed - index),
              (chunk) => exchange.writeBody(chunk),
              () => exchange.endBody([]),
            );
            notes.onDrain = more;
            more();
            return { bytes, notes };
          });
          world.run(60_000);
          all.forEach(({ bytes, notes }, index) => {
            expect(notes.words.at(0)).toBe("head 200");
            expect(notes.words.at(1)).toBe("end");
            expect(notes.words).toHaveLength(2);
            const expected = Buffer.from(answer(index).bytes(sizes[index]?.[1] ?? 0));
            expect(Buffer.concat(notes.chunks).equals(expected)).toBe(true);
            const chunks = received.get(String(index)) ?? [];
            const whole = Buffer.concat([bytes, Buffer.from("END")]);
            const got = Buffer.concat(chunks);
            // Where the answer ended first, only what came until then is there.
            if (index % 2 === 1) expect(got).toHaveLength(whole.length);
            expect(whole.subarray(0, got.length).equals(got)).toBe(true);
          });
          expect(a.links.snapshot()).toMatchObject([{ state: "up", streams: 0 }]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("that nobody reads never hold up another stream", () => {
    const world = new World();
    const a = world.node("a", { config: TINY });
    world.node("b", { config: TINY, accept: flood(world) });
    for (let count = 0; count < 50; count += 1) {
      const exchange = a.links.open("b" as NodeId, "b", CONTEXT, REQUEST, new Notes());
      exchange.pause();
    }
    world.run(100);
    const notes = new Notes();
    a.links.open("b" as NodeId, "b", CONTEXT, REQUEST, notes);
    world.run(1000);
    expect(notes.words).toEqual(["head 200", "end"]);
    expect(Buffer.concat(notes.chunks)).toHaveLength(20_000);
  });

  it("wait for credit: an unread answer keeps the sender's writer waiting", () => {
    const world = new World();
    const paused: boolean[] = [];
    const a = world.node("a");
    world.node("b", {
      accept: (_peer, _context, _request, observer) => {
        observer.onHead(OK);
        let sent = 0;
        let waiting = false;
        world.after(0, () => {
          while (!waiting && sent < 10_000_000) {
            sent += 10_000;
            observer.onBody(Buffer.alloc(10_000));
          }
          paused.push(waiting);
          expect(sent).toBeLessThan(300_000);
        });
        return {
          writeBody: () => true,
          endBody() {},
          cancel() {},
          pause() {
            waiting = true;
          },
          resume() {},
        };
      },
    });
    a.links.open("b" as NodeId, "b", CONTEXT, REQUEST, new Notes()).pause();
    world.run(1000);
    expect(paused).toEqual([true]);
  });

  it("let calls overtake them", () => {
    const world = new World();
    world.channelBytes = 100_000;
    const a = world.node("a", {
      onCall: (_peer, _payload, _left, respond) => respond(undefined, Buffer.alloc(1)),
    });
    const b = world.node("b", {
      onCall: (_peer, _payload, _left, respond) => respond(undefined, Buffer.alloc(1)),
    });
    const exchange = a.links.open(b.id, "b", CONTEXT, REQUEST, new Notes());
    world.run(20);
    exchange.writeBody(Buffer.alloc(60_000_000));
    world.run(5);
    let answeredAt = 0;
    const askedAt = world.now();
    a.links.call(b.id, "b", Buffer.alloc(10), 5000, () => {
      answeredAt = world.now();
    });
    world.run(100);
    expect(answeredAt - askedAt).toBeLessThanOrEqual(4);
    expect(a.links.snapshot()[0]?.streams).toBe(1);
  });
});

/** 20,000 bytes at once, as far as the caller takes them. */
function flood(world: World): Accept {
  return (_peer, _context, _request, observer) => {
    let waiting = false;
    let left = 20_000;
    const more = () => {
      while (!waiting && left > 0) {
        left -= 100;
        observer.onBody(Buffer.alloc(100));
      }
      if (left === 0) {
        left = -1;
        observer.onEnd([]);
      }
    };
    world.after(0, () => {
      observer.onHead(OK);
      more();
    });
    return {
      writeBody: () => true,
      endBody() {},
      cancel() {},
      pause() {
        waiting = true;
      },
      resume() {
        waiting = false;
        more();
      },
    };
  };
}
