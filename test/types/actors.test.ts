/**
 * What a programmer sees of a remote actor. That calls have the right types is shown by actors.ts,
 * which the compiler checks before every test run; what the editor shows is asked of its server.
 */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callers, Greeting, Store } from "./actors.ts";
import { LanguageServer } from "./language-server.ts";

const FILE = fileURLToPath(new URL("actors.ts", import.meta.url));
const START_TIMEOUT_MS = 30_000;

describe("a reference to an actor, in the editor", () => {
  let server: LanguageServer;
  let ask: (method: string, line: string, word: string) => Promise<unknown>;

  beforeAll(async () => {
    server = await LanguageServer.start();
    ask = server.open(FILE);
  }, START_TIMEOUT_MS);

  afterAll(() => server[Symbol.dispose]());

  async function hover(line: string, word: string): Promise<string> {
    const found = (await ask("hover", line, word)) as { contents: { value: string } } | null;
    return found?.contents.value ?? "";
  }

  it(
    "shows the handler's own comment, and a generic method's types filled in",
    async () => {
      const text = await hover("store.put(", "put");
      expect(text).toContain("Keeps a value under a name and gives it back.");
      expect(text).toMatch(/put<\{\s*deep: number\[\];\s*\}>\(name: string/);
    },
    START_TIMEOUT_MS,
  );

  it("shows the overload that a call chose", async () => {
    const plain = await hover('store.read("name");', "read");
    expect(plain).toContain("(name: string) => Promise<string>");
    expect(plain).toContain("Two ways to read.");
    expect(await hover('store.read("name", 7)', "read")).toContain(
      "(name: string, fallback: number) => Promise<number>",
    );
  });

  it("leads to the handler", async () => {
    const [place] = (await ask("definition", "store.put(", "put")) as {
      uri: string;
      range: { start: { line: number } };
    }[];
    expect(place?.uri.endsWith("/test/types/actors.ts")).toBe(true);
    const hovered = await ask("definition", 'node.actor(Greeting, "k").greet', "greet(");
    expect(JSON.stringify(hovered)).toContain("/test/types/actors.ts");
  });

  it("completes its methods and its controls", async () => {
    const { items } = (await ask("completion", "store.put(", "put")) as {
      items: { label: string }[];
    };
    const labels = items.map(({ label }) => label);
    expect(labels).toEqual(expect.arrayContaining(["put", "read", "size", "tell", "withOptions"]));
  });
});

describe("the definitions of the compiled examples", () => {
  it("are values, too", () => {
    expect([Store.name, Greeting.name, callers.length]).toEqual(["store", "greeting", 1]);
  });
});
