/**
 * Machines that can be cut off on their own: a network namespace for each, joined by a bridge in a
 * namespace of its own, so that the host's network is left alone. Faults are nftables rules at the
 * bridge: a machine whose own rules drop what it sends would be told so by its kernel. Needs root on
 * Linux, iproute2 and nftables.
 */
import { spawnSync } from "node:child_process";
import { findProgram } from "../harness/machine.ts";

const PREFIX = `gvbench${process.pid}`;
const HUB = `${PREFIX}-hub`;
const SUBNET = "10.77.0";

/** What the bridge does with packets from (in) or to (out) the struck machine. */
export type Fault = "deaf" | "mute" | "loss in" | "loss out" | "loss both";

const LOSS = "numgen random mod 100 < 80 drop";
const RULES: Readonly<Record<Fault, readonly (readonly ["from" | "to", string])[]>> = {
  deaf: [["to", "drop"]],
  mute: [["from", "drop"]],
  "loss in": [["to", LOSS]],
  "loss out": [["from", LOSS]],
  "loss both": [
    ["to", LOSS],
    ["from", LOSS],
  ],
};

/** Why there can be no such machines here; undefined if there can. */
export function whyNoLan(): string | undefined {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  const missing = ["ip", "nft"].filter((name) => findProgram(name) === undefined);
  if (missing.length > 0) return "not installed: apt-get install iproute2 nftables";
  const made = attempt(["ip", "netns", "add", HUB]);
  if (made !== undefined) return `network namespaces are not allowed here (root?): ${made}`;
  const inside = attempt(["ip", "netns", "exec", HUB, "nft", ruleOf("x", "from", LOSS)]);
  attempt(["ip", "netns", "del", HUB]);
  return inside === undefined ? undefined : `nftables does not work here: ${inside}`;
}

export class Lan implements Disposable {
  readonly #made: string[] = [];

  constructor(machines: number) {
    try {
      this.#make(HUB);
      must(["ip", "-n", HUB, "link", "add", "hub", "type", "bridge"]);
      must(["ip", "-n", HUB, "link", "set", "hub", "up"]);
      for (let at = 0; at < machines; at += 1) this.#addMachine(at);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  address(at: number): string {
    return `${SUBNET}.${at + 1}`;
  }

  /** What to put before a command so that it runs on that machine. */
  within(at: number): readonly string[] {
    return ["ip", "netns", "exec", machine(at)];
  }

  strike(at: number, fault: Fault): void {
    for (const [direction, what] of RULES[fault]) {
      must(["ip", "netns", "exec", HUB, "nft", ruleOf(`port${at}`, direction, what)]);
    }
  }

  /** Ends all faults. */
  heal(): void {
    must(["ip", "netns", "exec", HUB, "nft", "flush ruleset"]);
  }

  [Symbol.dispose](): void {
    for (const name of this.#made.splice(0)) attempt(["ip", "netns", "del", name]);
  }

  #make(name: string): void {
    must(["ip", "netns", "add", name]);
    this.#made.push(name);
    must(["ip", "-n", name, "link", "set", "lo", "up"]);
  }

  #addMachine(at: number): void {
    const name = machine(at);
    this.#make(name);
    const ends = [`port${at}`, "type", "veth", "peer", "name", "eth0", "netns", name];
    must(["ip", "-n", HUB, "link", "add", ...ends]);
    must(["ip", "-n", HUB, "link", "set", `port${at}`, "master", "hub", "up"]);
    must(["ip", "-n", name, "addr", "add", `${this.address(at)}/24`, "dev", "eth0"]);
    must(["ip", "-n", name, "link", "set", "eth0", "up"]);
  }
}

function ruleOf(port: string, direction: "from" | "to", what: string): string {
  const match = `${direction === "from" ? "iifname" : "oifname"} "${port}" ether type ip`;
  const hook = "type filter hook forward priority 0";
  return `table bridge fault { chain ${direction} { ${hook}; ${match} ${what}; }; }`;
}

function machine(at: number): string {
  return `${PREFIX}-${at}`;
}

function must(command: readonly string[]): void {
  const failure = attempt(command);
  if (failure !== undefined) throw new Error(`${command.join(" ")}: ${failure}`);
}

/** What went wrong, or undefined. */
function attempt([program = "", ...args]: readonly string[]): string | undefined {
  const { status, error, stderr } = spawnSync(findProgram(program) ?? program, args, {
    encoding: "utf8",
  });
  if (status === 0) return undefined;
  return (error?.message ?? stderr.trim().split("\n")[0]) || `ended with ${status}`;
}
