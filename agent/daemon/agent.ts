/**
 * One running agent: everything that `grapevine agent` starts, in the order in which one part needs
 * another, and the way back. It is reached from three sides: applications (the listeners), peers
 * (the two planes) and its administrator (the Unix socket).
 */
import { topicOf } from "../../membership/directory.ts";
import { type DelayMonitor, monitorLoopDelay } from "../../transport/entropy.ts";
import { createHttpListener, type Listener } from "../../transport/http/listener.ts";
import { KeyVerifier } from "../../transport/identity/signing.ts";
import { openState } from "../../transport/storage/state.ts";
import { ActorSessions } from "../actors/sessions.ts";
import { createLocalApi, type LocalApi } from "../api/server.ts";
import type { AgentConfig } from "../config/config.ts";
import { type AdminListener, createAdminListener } from "../telemetry/admin.ts";
import type { Log } from "../telemetry/log.ts";
import { listenAt } from "./listen.ts";
import { createLocalNode } from "./local-node.ts";
import { type AgentParts, buildParts } from "./parts.ts";
import { openPlanes } from "./planes.ts";
import { establishTrust } from "./trust.ts";

/** Connections of clients may end in order for this long after the mesh was left. */
const LISTENER_DRAIN_MS_MAX = 1_000;

interface Listeners {
  proxy: Listener | undefined;
  admin: AdminListener | undefined;
  api: LocalApi | undefined;
}

export class Agent {
  readonly parts: AgentParts;
  readonly #listeners: Listeners = { proxy: undefined, admin: undefined, api: undefined };
  readonly #loopDelay: DelayMonitor;
  readonly #left = Promise.withResolvers<number>();
  #isReady = false;

  private constructor(parts: AgentParts) {
    this.parts = parts;
    this.#loopDelay = monitorLoopDelay((delayMs) =>
      parts.node.control.withMembership((membership, now, output) =>
        membership.onLoopDelay(delayMs, now, output),
      ),
    );
  }

  /** Resolves with the number of requests that were cut off, once the agent has left the mesh. */
  get left(): Promise<number> {
    return this.#left.promise;
  }

  get isReady(): boolean {
    return this.#isReady && !this.parts.node.isLeaving;
  }

  /** HOST:PORT of each listener, "off" where there is none. */
  addresses() {
    const { planes, config } = this.parts;
    return {
      bind: planes.control.address,
      link: planes.links.address,
      proxy: this.#listeners.proxy?.address ?? "off",
      admin: this.#listeners.admin?.address ?? "off",
      dns: "off",
      socket: config.socket,
    };
  }

  /**
   * Starts everything; if a part cannot start, what had started is stopped again. Without the API
   * nothing but this process can administer the agent.
   */
  static async start(config: AgentConfig, log: Log, withApi = true): Promise<Agent> {
    const state = openState(config.dataDir, {
      onWarning: (warning) => log.component("storage").warn(warning),
    });
    let agent: Agent | undefined;
    try {
      for (const warning of state.warnings) log.component("storage").warn(warning);
      const trust = establishTrust(config, new KeyVerifier());
      for (const warning of trust.warnings) log.root.warn(warning);
      state.setNodeName(trust.identity.name);
      const region = trust.identity.region || (config.region ?? "");
      const planes = await openPlanes(config, trust, [topicOf(region)], log);
      agent = new Agent(buildParts(config, log, state, trust, planes));
      await agent.#open(withApi);
      return agent;
    } catch (error) {
      if (agent === undefined) state.close();
      else await agent.stop();
      throw error;
    }
  }

  /** Leaves the mesh in order; resolves when the mesh was told. Safe to call twice. */
  leave(): Promise<number> {
    const { node, config, events, forwards, log } = this.parts;
    if (!node.isLeaving) {
      events.publish("agent.draining", {});
      log.root.info("leaving: finishing what runs, taking no new work");
      this.#listeners.proxy?.retire();
      forwards.retire();
      const served = () => {
        // Whatever were still taken from applications could be cut off when the links close.
        void this.#listeners.proxy?.drain();
        void forwards.drain();
      };
      node.leave(config.drainTimeoutMs, (cutOff) => this.#left.resolve(cutOff), served);
    }
    return this.left;
  }

  /** Closes every listener and connection. Nothing is said to the mesh: leave() does that. */
  async stop(): Promise<void> {
    const { node, forwards, registrations, upstreams, planes, state } = this.parts;
    this.#loopDelay.stop();
    this.parts.processMetrics.close();
    this.parts.descriptors.close();
    const { proxy, admin, api } = this.#listeners;
    const drained = Promise.all([proxy?.drain(), forwards.drain()]);
    await Promise.race([drained, new Promise((done) => setTimeout(done, LISTENER_DRAIN_MS_MAX))]);
    await Promise.all([proxy?.close(), forwards.close(), admin?.close(), api?.close()]);
    await registrations.close();
    node.stop();
    upstreams.close();
    await Promise.all([planes.control.stop(), planes.links.close()]);
    state.close();
  }

  async #open(withApi: boolean): Promise<void> {
    const { config, log, node, registrations, forwards, learned } = this.parts;
    node.start(config.join);
    learned.restore((message) => node.control.restore(message) === "applied");
    node.control.withMembership((membership, now, output) => {
      for (const { id, bind } of learned.peers()) membership.learnAddress(id, bind, now, output);
    });
    await this.#openListeners();
    for (const key of await registrations.restore()) {
      log
        .component("storage")
        .warn(`the registration ${key} on disk cannot be read; it is skipped`);
    }
    await registrations.declare(config.services);
    for (const problem of await forwards.restore()) {
      log.root.warn(`cannot open the forward ${problem}; it stays on disk`);
    }
    if (withApi) await this.#openApi();
    this.#isReady = true;
  }

  async #openApi(): Promise<void> {
    const { config, log, node, clock, trust } = this.parts;
    this.#listeners.api = createLocalApi({
      socketPath: config.socket,
      ...(config.socketGroup === undefined ? {} : { socketGroup: config.socketGroup }),
      node: createLocalNode(this),
      log: log.component("api"),
      actors: new ActorSessions({
        actors: node.actors,
        clock,
        agentName: trust.identity.name,
        log: log.component("actors"),
      }),
    });
    await this.#listeners.api.start();
  }

  async #openListeners(): Promise<void> {
    const { config, node, log, registry, upstreams } = this.parts;
    if (config.httpProxy !== undefined) {
      this.#listeners.proxy = await listenAt(config.httpProxy, "--http-proxy", (host, port) =>
        createHttpListener({
          ...{ host, port, front: node.router, name: "proxy", mode: { kind: "proxy" } },
          protocolOf: (service) => node.view().services.get(service)?.protocol,
          report: (event) => log.component("proxy").debug(event),
          isOwn: (socket) => upstreams.owns(socket),
        }),
      );
    }
    if (config.admin !== undefined) {
      this.#listeners.admin = await listenAt(config.admin, "--admin", (host, port) =>
        createAdminListener({ host, port, registry, readiness: () => this.#readiness() }),
      );
    }
  }

  #readiness() {
    if (this.parts.node.isLeaving) return { ready: false, reasons: ["draining"] };
    return this.#isReady
      ? { ready: true, reasons: [] }
      : { ready: false, reasons: ["the agent is starting"] };
  }
}
