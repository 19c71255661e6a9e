/** `grapevine sim replay`: a trace as one page for a browser. */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { GrapevineError } from "../../core/errors.ts";
import { replayData } from "../../sim/replay.ts";
import type { Command } from "../command.ts";
import { outputFile, writing } from "../sim/output-file.ts";
import { assemblePage } from "../sim/replay-page.ts";

export const command: Command = {
  path: ["sim", "replay"],
  summary: "make a page that replays a trace",
  details:
    "The page is one file that needs no network: a scrubber over the whole run, nodes, links " +
    "and faults, who believes what about whom, who owns which key, and messages as a Lamport diagram.",
  positionals: [{ name: "TRACE", required: true, complete: "file" }],
  flags: [
    {
      ...{ name: "out", short: "o", kind: "one", placeholder: "FILE.html", required: true },
      ...{ summary: "where the page goes", complete: "file" },
    },
  ],
  examples: ["grapevine sim run --seed 7 --trace t && grapevine sim replay t -o t.html"],
  async run({ terminal, json, positionals, values }) {
    const source = positionals[0] as string;
    const file = values.one("out") as string;
    const path = outputFile("page", file, terminal.folder);
    const lines = readTrace(source, terminal.folder).split("\n");
    const data = replayData(lines);
    if (data === undefined) {
      throw new GrapevineError(
        "invalid_argument",
        `${source} is not a trace: make one with "grapevine sim run --trace ${source}"`,
      );
    }
    writing("page", file, () => writeFileSync(path, assemblePage(data)));
    terminal.out(json ? `${JSON.stringify({ page: file })}\n` : `written to ${file}\n`);
    return 0;
  },
};

function readTrace(source: string, folder: string): string {
  try {
    return readFileSync(resolve(folder, source), "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new GrapevineError("not_found", `cannot read the trace ${source}: ${why}`);
  }
}
