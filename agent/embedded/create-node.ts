/**
 * A mesh node inside the program's own process: a full member with its own identity, links and
 * actors, made of the same parts as `grapevine agent`. Listeners for applications are off unless
 * asked for. Settings are checked by the rules of the agent's configuration; variables of the
 * environment and files do not change them.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { AnyActorDefinition } from "../../core/actors/definition.ts";
import type { MeshView } from "../../core/view.ts";
import { type ActorReferences, referenceTo } from "../actors/reference.ts";
import { nodeCaller } from "../actors/turns.ts";
import { loadConfig } from "../config/load.ts";
import { hostFacts } from "../config/paths.ts";
import { Agent } from "../daemon/agent.ts";
import { Log, type LogLevel } from "../telemetry/log.ts";

export interface NodeOptions {
  /** Actor types that this process hosts. */
  readonly actors?: readonly AnyActorDefinition[];
  /** An identity bundle, as `grapevine ca issue` makes it. Either this or `dev`. */
  readonly identity?: string;
  /** Development: the well-known authority, loopback addresses only. */
  readonly dev?: boolean;
  /** HOST:PORT of members to join. */
  readonly join?: readonly string[];
  /** A DNS label; with an identity its own, in development by default the host's. */
  readonly name?: string;
  /**
   * Where the node keeps its epoch, its key in development and what it learns of others. By default
   * IDENTITY.data; in development a temporary folder that is removed at the end.
   */
  readonly dataDir?: string;
  /** HOST:PORT of the control plane and of the link port; port 0 for any. Default any free port. */
  readonly bind?: string;
  readonly linkBind?: string;
  /** HOST:PORT at which others reach them, where that differs. */
  readonly advertise?: string;
  readonly linkAdvertise?: string;
  readonly zone?: string;
  readonly region?: string;
  readonly cluster?: string;
  /** Serves the local API at this path, so that commands work with this node as with an agent. */
  readonly socket?: string;
  /** HOST:PORT of a proxy for HTTP; none by default. */
  readonly httpProxy?: string;
  /** How long close() waits for running turns and requests. Default 15,000. */
  readonly drainTimeoutMs?: number;
  /** What goes to standard error. Default "warn". */
  readonly logLevel?: Exclude<LogLevel, "silent">;
}

export interface EmbeddedNode extends ActorReferences, AsyncDisposable {
  readonly name: string;
  readonly id: string;
  /** HOST:PORT with the real ports: `bind` is what others join. */
  readonly addresses: { readonly bind: string; readonly link: string; readonly proxy: string };
  /** What this node knows of the mesh now. */
  view(): MeshView;
  /** Leaves the mesh in order: running turns end, keys go to others, then everything closes. */
  close(): Promise<void>;
}

/** Starts a node. Rejects with config_invalid, identity_missing, address_in_use and their like. */
export async function createNode(options: NodeOptions): Promise<EmbeddedNode> {
  const temporary = options.dataDir === undefined && options.identity === undefined;
  const dataDir = temporary
    ? mkdtempSync(join(tmpdir(), "grapevine-node-"))
    : resolve(options.dataDir ?? `${options.identity}.data`);
  const clean = () => {
    if (temporary) rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
  };
  const log = new Log({ level: options.logLevel ?? "warn" });
  let agent: Agent;
  try {
    const { config, warnings } = loadConfig({
      flags: flagsOf(options, dataDir),
      env: {},
      folder: process.cwd(),
      host: hostFacts(),
    });
    for (const warning of warnings) log.root.warn(warning);
    agent = await Agent.start(config, log, options.socket !== undefined);
  } catch (error) {
    clean();
    throw error;
  }
  const node = new RunningNode(agent, clean);
  try {
    const address = `pid ${process.pid}`;
    agent.parts.node.actors.host(options.actors ?? [], node.name, address);
  } catch (error) {
    await node.close();
    throw error;
  }
  return node;
}

class RunningNode implements EmbeddedNode {
  readonly #agent: Agent;
  readonly #clean: () => void;
  readonly #caller;
  #closed: Promise<void> | undefined;

  constructor(agent: Agent, clean: () => void) {
    this.#agent = agent;
    this.#clean = clean;
    this.#caller = nodeCaller(() => agent.parts.node);
  }

  get name(): string {
    return this.#agent.parts.trust.identity.name;
  }

  get id(): string {
    return this.#agent.parts.trust.identity.id;
  }

  get addresses() {
    return this.#agent.addresses();
  }

  view(): MeshView {
    return this.#agent.parts.node.view();
  }

  actor(definition: AnyActorDefinition | string, key: string): never {
    return referenceTo(this.#caller, definition, key) as never;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    try {
      await this.#agent.leave();
      await this.#agent.stop();
    } finally {
      this.#clean();
    }
  }
}

function flagsOf(
  options: NodeOptions,
  dataDir: string,
): Record<string, string | boolean | readonly string[]> {
  const { identity, dev, name, zone, region, cluster, socket, httpProxy } = options;
  const { advertise, linkAdvertise, drainTimeoutMs } = options;
  const anywhere = dev === true ? "127.0.0.1:0" : "0.0.0.0:0";
  const given = {
    ...{ name, identity, zone, region, cluster, socket, advertise },
    "link-advertise": linkAdvertise,
    "drain-timeout": drainTimeoutMs === undefined ? undefined : `${drainTimeoutMs}ms`,
    "http-proxy": httpProxy ?? "off",
    "data-dir": dataDir,
    bind: options.bind ?? anywhere,
    "link-bind": options.linkBind ?? anywhere,
    admin: "off",
    dns: "off",
  };
  const flags: Record<string, string | boolean | readonly string[]> = {};
  for (const [flag, value] of Object.entries(given)) if (value !== undefined) flags[flag] = value;
  if (dev === true) flags["dev"] = true;
  if (options.join !== undefined) flags["join"] = options.join;
  return flags;
}
