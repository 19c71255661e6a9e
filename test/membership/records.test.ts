import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encode } from "../../core/codec.ts";
import type { Millis } from "../../core/types.ts";
import { type Change, Members } from "../../membership/members.ts";
import {
  type Accusation,
  compareStatements,
  isAuthentic,
  parseRecord,
  SIGNATURE_BYTES,
  type SignedRecord,
  type Statement,
  signAccusation,
  signStatement,
} from "../../membership/records.ts";
import { Registry } from "../../membership/registry.ts";
import { nodeId, testSigner, testVerifier } from "./network.ts";

const NOW = 0 as Millis;
const subject = nodeId("subject");

const statements: fc.Arbitrary<Statement> = fc
  .record({
    epoch: fc.integer({ min: 0, max: 2 }),
    incarnation: fc.integer({ min: 0, max: 2 }),
    leaving: fc.boolean(),
    left: fc.boolean(),
    nonce: fc.integer({ min: 0, max: 2 }),
    bind: fc.constantFrom("a:1", "b:2"),
  })
  .map((content) => signStatement(testSigner(subject), content));

const accusations: fc.Arbitrary<Accusation> = fc
  .record({
    epoch: fc.integer({ min: 0, max: 2 }),
    incarnation: fc.integer({ min: 0, max: 2 }),
    verdict: fc.constantFrom("suspect" as const, "dead" as const, "forgotten" as const),
    basis: fc.constantFrom("silence" as const, "refused" as const),
    by: fc.constantFrom("one", "two"),
  })
  .map(({ by, ...content }) => signAccusation(testSigner(nodeId(by)), { subject, ...content }));

const records: fc.Arbitrary<SignedRecord> = fc.oneof(statements, accusations);

/** What a table makes of records in this order. */
function merge(all: readonly SignedRecord[]) {
  const members = new Members(new Registry(), NOW);
  let last: Change | undefined;
  for (const record of all) if (members.isNews(record)) last = members.apply(record, NOW) ?? last;
  const slot = members.slotOf(subject);
  if (slot === undefined) return undefined;
  const accusation = members.accusation(slot);
  return {
    rank: members.rank(slot),
    statement: members.statement(slot)?.bytes.join(),
    accused: accusation && [accusation.epoch, accusation.incarnation, accusation.verdict],
    buckets: members.buckets.join(),
  };
}

describe("signed records", () => {
  it("come back as they were written", () => {
    fc.assert(
      fc.property(records, (record) => {
        expect(parseRecord(record.bytes)).toEqual(record);
        expect(isAuthentic(record, testVerifier)).toBe(true);
      }),
    );
  });

  it("are refused by the verifier after any change of one byte", () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.integer({ min: 1, max: 255 }), (record, at, flip) => {
        const bytes = new Uint8Array(record.bytes);
        // The test signature fills 36 of the 64 bytes.
        const index = SIGNATURE_BYTES + (at % (bytes.length - SIGNATURE_BYTES));
        bytes[index] = (bytes[index] as number) ^ flip;
        const parsed = parseRecord(bytes);
        expect(parsed === undefined || !isAuthentic(parsed, testVerifier)).toBe(true);
      }),
    );
  });

  it("do not throw on arbitrary bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.anything(), (bytes, value) => {
        parseRecord(bytes);
        const body = encodeOrNothing([1, value, value, value, value, value, value]);
        parseRecord(Uint8Array.from([...new Uint8Array(SIGNATURE_BYTES), ...body]));
      }),
    );
  });

  it("with fields of a later version are read, and kept byte for byte", () => {
    const known = signStatement(testSigner(subject), {
      epoch: 1,
      incarnation: 2,
      leaving: false,
      left: false,
      nonce: 3,
      bind: "h:1",
    });
    const later = encode([1, subject, 1, 2, 0, 3, "h:1", { zone: "a" }]);
    const wire = Uint8Array.from([...known.bytes.subarray(0, SIGNATURE_BYTES), ...later]);
    const parsed = parseRecord(wire);
    expect(parsed).toMatchObject({ kind: "statement", epoch: 1, incarnation: 2, bind: "h:1" });
    expect(parsed?.bytes).toEqual(wire);
  });
});

describe("precedence", () => {
  it("of statements is a total order", () => {
    fc.assert(
      fc.property(statements, statements, statements, (a, b, c) => {
        expect(Math.sign(compareStatements(a, b)) + Math.sign(compareStatements(b, a))).toBe(0);
        if (compareStatements(a, b) <= 0 && compareStatements(b, c) <= 0) {
          expect(compareStatements(a, c)).toBeLessThanOrEqual(0);
        }
        if (compareStatements(a, b) === 0) expect(a.bytes).toEqual(b.bytes);
      }),
    );
  });

  it("makes every order and repetition of the same records end in the same row", () => {
    fc.assert(
      fc.property(
        fc.array(records, { maxLength: 8 }).chain((all) =>
          fc.record({
            all: fc.constant(all),
            shuffled: fc.shuffledSubarray([...all, ...all], {
              minLength: all.length * 2,
              maxLength: all.length * 2,
            }),
          }),
        ),
        ({ all, shuffled }) => {
          expect(merge(shuffled)).toEqual(merge(all));
        },
      ),
      { numRuns: 500 },
    );
  });

  it("puts dead before suspect, left before dead, and a later incarnation before all", () => {
    const by = testSigner(nodeId("one"));
    const alive = (incarnation: number, left = false) =>
      signStatement(testSigner(subject), {
        epoch: 1,
        incarnation,
        leaving: left,
        left,
        nonce: 1,
        bind: "h:1",
      });
    const accuse = (verdict: "suspect" | "dead" | "forgotten") =>
      signAccusation(by, { subject, epoch: 1, incarnation: 0, verdict, basis: "silence" });
    const ranks = [
      [alive(0)],
      [alive(0), accuse("suspect")],
      [alive(0), accuse("suspect"), accuse("dead")],
      [alive(0), accuse("dead"), alive(0, true)],
      [alive(0, true), accuse("forgotten")],
      [alive(0), accuse("dead"), alive(1)],
    ].map((all) => merge(all)?.rank);
    expect(ranks).toEqual([1, 2, 3, 4, 5, 1]);
  });
});

function encodeOrNothing(value: unknown): Uint8Array {
  try {
    return encode(value);
  } catch {
    return new Uint8Array(0);
  }
}
