import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonErrorPosition, parseJson } from "../../../agent/api/json-body.ts";

function messageOf(text: string): string {
  try {
    parseJson(text);
    return "valid";
  } catch (error) {
    return (error as Error).message.replace("the body is not valid JSON: ", "");
  }
}

describe("where JSON is broken", () => {
  it.each([
    ["", "it ends too early at line 1, column 1"],
    ["{", "it ends too early at line 1, column 2"],
    ['{"a":1,}', 'unexpected "}" at line 1, column 8'],
    ['{"a" 1}', 'unexpected "1" at line 1, column 6'],
    ["[1,2", "it ends too early at line 1, column 5"],
    ["[1 2]", 'unexpected "2" at line 1, column 4'],
    ['{\n  "a": x\n}', 'unexpected "x" at line 2, column 8'],
    ["nul", 'unexpected "n" at line 1, column 1'],
    ["{} {}", 'unexpected "{" at line 1, column 4'],
    ["{a:1}", 'unexpected "a" at line 1, column 2'],
    ["[1]]", 'unexpected "]" at line 1, column 4'],
    ["'a'", 'unexpected "\'" at line 1, column 1'],
    ["01", 'unexpected "1" at line 1, column 2'],
    ["[\u{1F600}]", 'unexpected "\u{1F600}" at line 1, column 2'],
  ])("finds the place in %j", (text, message) => {
    expect(messageOf(text)).toBe(message);
  });

  it("never complains about valid JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2, "\t"), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        expect(parseJson(text)).toEqual(JSON.parse(text));
        expect(jsonErrorPosition(text)).toBe(text.length);
      }),
    );
  });

  it("finds a place in every broken text, and agrees with JSON.parse where that tells one", () => {
    const piece = fc.constantFrom(
      ...'{}[]:,"\\ \n0123-.eEtrufalsn\u0001x'.split(""),
      "true",
      '"a"',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join("");
        let told: number | undefined;
        try {
          JSON.parse(text);
          return;
        } catch (error) {
          const found = /at position (\d+)/.exec((error as Error).message);
          told = found === null ? undefined : Number(found[1]);
        }
        const position = jsonErrorPosition(text);
        expect(position).toBeGreaterThanOrEqual(0);
        expect(position).toBeLessThanOrEqual(text.length);
        // JSON.parse points into a string or number that breaks off; we point at where it begins.
        if (told !== undefined) expect(position).toBeLessThanOrEqual(told);
      }),
      { numRuns: 2_000 },
    );
  });

  it("does not exhaust the stack on deep nesting", () => {
    expect(jsonErrorPosition("[".repeat(60_000))).toBe(60_000);
  });
});
