/**
 * A registration that lasts as long as somebody renews it. If the agent forgets it (it was
 * restarted, or could not hear us for a while), it is registered again.
 */
import type { LocalInstanceShape } from "../agent/api/shapes.ts";
import { GrapevineError } from "../core/errors.ts";
import type { ServiceName } from "../core/names.ts";
import type { AgentClient } from "./client.ts";
import type { RegistrationBody } from "./registration-flags.ts";
import { servicePath } from "./service-names.ts";

/** How long an instance outlives a killed `run`. */
const LEASE_MS = 10_000;
/** Two renewals may fail before the lease ends. */
const RENEW_MS = 3_000;
const REQUEST_TIMEOUT_MS = 2_000;

export class Lease {
  /** The instance's id. */
  readonly instance: string;
  readonly #agent: AgentClient;
  readonly #path: string;
  readonly #body: RegistrationBody;
  readonly #warn: (text: string) => void;
  readonly #timer: NodeJS.Timeout;
  #healthy = true;
  #released: Promise<void> | undefined;
  #renewing: Promise<void> = Promise.resolve();

  private constructor(
    agent: AgentClient,
    path: string,
    instance: string,
    body: RegistrationBody,
    warn: (text: string) => void,
  ) {
    this.#agent = agent;
    this.#path = path;
    this.instance = instance;
    this.#body = body;
    this.#warn = warn;
    this.#timer = setInterval(() => {
      this.#renewing = this.#renew();
    }, RENEW_MS);
  }

  /** Registers, and renews until released. `warn` is told when the agent is lost and found. */
  static async take(
    agent: AgentClient,
    service: ServiceName,
    id: string,
    registration: RegistrationBody,
    warn: (text: string) => void,
  ): Promise<Lease> {
    const body = { ...registration, leaseMs: LEASE_MS };
    const path = servicePath(service);
    const answer = await agent.request("PUT", `${path}/${id}`, { body });
    const { id: instance } = answer as LocalInstanceShape;
    return new Lease(agent, `${path}/${instance}`, instance, body, warn);
  }

  /** Takes the registration back. Never throws: what cannot be taken back ends by itself. */
  release(): Promise<void> {
    this.#released ??= this.#takeBack();
    return this.#released;
  }

  async #takeBack(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    try {
      await this.#agent.request("DELETE", this.#path, { timeoutMs: REQUEST_TIMEOUT_MS });
    } catch (error) {
      if (error instanceof GrapevineError && error.short === "not_found") return;
      this.#warn(`the registration could not be taken back and ends by itself: ${text(error)}`);
    }
  }

  async #renew(): Promise<void> {
    const timeoutMs = REQUEST_TIMEOUT_MS;
    try {
      await this.#agent.request("POST", `${this.#path}/pass`, { timeoutMs });
      this.#recovered();
    } catch (error) {
      if (!(error instanceof GrapevineError && error.short === "not_found")) {
        this.#lost(error);
        return;
      }
      try {
        await this.#agent.request("PUT", this.#path, { body: this.#body, timeoutMs });
        this.#recovered();
      } catch (again) {
        this.#lost(again);
      }
    }
  }

  #lost(error: unknown): void {
    if (this.#healthy) this.#warn(`the registration cannot be renewed: ${text(error)}`);
    this.#healthy = false;
  }

  #recovered(): void {
    if (!this.#healthy) this.#warn("the registration is renewed again");
    this.#healthy = true;
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
