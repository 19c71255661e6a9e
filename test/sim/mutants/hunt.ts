/**
 * Looks for a violated invariant in a tree: the farm's seeds of one default profile, on meshes that
 * are small enough to be quick and large enough to be sparse. A run that ends with an exception
 * proves nothing about the invariants, so it counts as a failure of the hunt itself.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import type { FarmSummary } from "../../../cli/sim/farm.ts";
import type { Tree } from "./tree.ts";

/** More than observers and those they observe need, so that views are partial. */
const NODES = 20;
const MINUTES = 3;
/** A mutant that never ends is not found. */
const LIMIT_MS = 1_800_000;

export interface Find {
  /** The invariants, as in docs/simulator.md. */
  readonly invariants: string;
  readonly profile: string;
  readonly seed: number;
  readonly detail: string;
}

export interface Hunt {
  /** Undefined: nothing was violated in all the seeds. */
  readonly find: Find | undefined;
  /** Runs it took. */
  readonly seeds: number;
  readonly wallMs: number;
}

/** Throws if a run crashed, or the farm could not be run. */
export async function hunt(
  tree: Tree,
  profile: string,
  seeds: number,
  signal?: AbortSignal,
): Promise<Hunt> {
  const startedAt = performance.now();
  const args = ["sim", "farm", "--json", "--until-failure", "--profile", profile];
  const size = ["--seeds", String(seeds), "--nodes", String(NODES), "--minutes", String(MINUTES)];
  const { out, err } = await grapevine(tree, [...args, ...size, "--out", "found"], signal);
  const summary = readSummary(out, err);
  const wallMs = Math.round(performance.now() - startedAt);
  const first = [...summary.failures].sort((one, other) => one.seed - other.seed)[0];
  if (first === undefined) return { find: undefined, seeds: summary.seeds, wallMs };
  const { signature, seed, detail } = first;
  if (signature === "crash") throw new Error(`${profile} seed ${seed} crashed: ${detail}`);
  return { find: { invariants: signature, profile, seed, detail }, seeds: seed, wallMs };
}

function readSummary(out: string, err: string): FarmSummary {
  try {
    return JSON.parse(out) as FarmSummary;
  } catch {
    throw new Error(`the farm gave no result:\n${err.slice(-2_000)}`);
  }
}

function grapevine(
  { root }: Tree,
  args: readonly string[],
  signal: AbortSignal | undefined,
): Promise<{ readonly out: string; readonly err: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ out: string; err: string }>();
  const child = spawn(process.execPath, [join(root, "cli/grapevine.js"), ...args], {
    cwd: root,
    env: { ...process.env, NODE_COMPILE_CACHE: join(root, ".compiled") },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: LIMIT_MS,
    ...(signal === undefined ? {} : { signal }),
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  child.on("error", reject);
  child.on("close", () => resolve({ out, err }));
  return promise;
}
