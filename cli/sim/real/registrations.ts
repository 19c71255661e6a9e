/**
 * What applications of a real run have registered: each call goes to the agent's own socket, is
 * repeated until it is acknowledged (the agent may be killed or stopped meanwhile), and then told,
 * to be compared with what everybody lists at the end.
 */
import { GrapevineError } from "../../../core/errors.ts";
import type { AgentProcess } from "./agent-process.ts";
import type { Applications } from "./applications.ts";
import type { Journal } from "./journal.ts";

const REPEAT_MS = 250;
const ANSWER_MS = 3_000;
const NAMESPACE = "default";

export class Registrations {
  /** namespace/service/id of what each agent's disk holds. */
  readonly acknowledged: readonly Set<string>[];
  readonly #applications: Applications;
  readonly #journal: Journal;
  readonly #signal: AbortSignal;
  readonly #pending = new Set<Promise<void>>();

  /** Nothing is repeated any more once `signal` is aborted. */
  constructor(nodes: number, applications: Applications, journal: Journal, signal: AbortSignal) {
    this.acknowledged = Array.from({ length: nodes }, () => new Set<string>());
    this.#applications = applications;
    this.#journal = journal;
    this.#signal = signal;
  }

  add(agent: AgentProcess, service: string, id: string): Promise<void> {
    const { node } = agent;
    const instance = `${NAMESPACE}/${service}/${id}`;
    return this.#track(async () => {
      const port = await this.#applications.portOf(node, instance);
      // It is usable before the agent's answer is here.
      const at = this.#journal.now();
      if (!(await this.#insist(agent, "PUT", service, id, { ports: [{ port }] }))) return;
      this.acknowledged[node]?.add(instance);
      this.#journal.emit({ kind: "registered", node, instance }, at);
    });
  }

  remove(agent: AgentProcess, service: string, id: string): Promise<void> {
    const { node } = agent;
    const instance = `${NAMESPACE}/${service}/${id}`;
    return this.#track(async () => {
      const isKnown = this.acknowledged[node]?.has(instance) === true;
      if (!isKnown || !(await this.#insist(agent, "DELETE", service, id, undefined))) return;
      this.acknowledged[node]?.delete(instance);
      this.#journal.emit({ kind: "deregistered", node, instance });
    });
  }

  /** The agent's disk is lost: it promises nothing any more. */
  forget(agent: AgentProcess): void {
    this.acknowledged[agent.node]?.clear();
  }

  /** All calls have been acknowledged. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending);
  }

  #track(call: () => Promise<void>): Promise<void> {
    const pending = call().finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
    return pending;
  }

  /** False if the run ended before it was acknowledged. */
  async #insist(
    agent: AgentProcess,
    method: "PUT" | "DELETE",
    service: string,
    id: string,
    body: unknown,
  ): Promise<boolean> {
    const path = `/v1/services/${NAMESPACE}/${service}/${id}`;
    while (!this.#signal.aborted) {
      const { life } = agent;
      try {
        if (life !== undefined) {
          await life.client.request(method, path, { body, timeoutMs: ANSWER_MS });
          return true;
        }
      } catch (error) {
        const short = error instanceof GrapevineError ? error.short : "";
        // A removal whose answer was lost has been done.
        if (method === "DELETE" && short === "not_found") return true;
        const isPassing = ["agent_unreachable", "timeout", "draining"].includes(short);
        if (!isPassing) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, REPEAT_MS));
    }
    return false;
  }
}
