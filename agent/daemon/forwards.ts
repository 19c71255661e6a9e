/**
 * Local ports that lead to one service each. A forward is kept on disk and comes back with the
 * agent. It may be made before its service is there: the listener speaks HTTP until the service is
 * known to speak something else, and is then replaced.
 */
import type { Socket } from "node:net";
import { GrapevineError } from "../../core/errors.ts";
import type { Front } from "../../core/exchange/front.ts";
import type { ServiceKey, ServiceProtocol } from "../../core/types.ts";
import type { MeshView } from "../../core/view.ts";
import { parseHostPort } from "../../transport/addresses.ts";
import {
  createHttpListener,
  createTcpListener,
  type Listener,
  type ListenerEvent,
} from "../../transport/http/listener.ts";
import type { AgentState } from "../../transport/storage/state.ts";
import { type Forward, forwardPort } from "../api/node.ts";

export interface ForwardsOptions {
  readonly state: AgentState;
  readonly front: Front;
  readonly view: () => MeshView;
  readonly report: (event: ListenerEvent) => void;
  /** Whether this agent itself has opened the connection. */
  readonly isOwn: (socket: Socket) => boolean;
  readonly onChange: (type: "forward.added" | "forward.removed", forward: Forward) => void;
}

/** What is on disk under the listening address. */
interface StoredForward {
  readonly service: ServiceKey;
  /** Null: whatever port the service offers. */
  readonly port: number | null;
  readonly protocol: ServiceProtocol;
}

interface Open {
  readonly forward: Forward;
  readonly protocol: ServiceProtocol;
  readonly listener: Listener;
}

export class Forwards {
  readonly #options: ForwardsOptions;
  /** By the address where it listens. */
  readonly #open = new Map<string, Open>();

  constructor(options: ForwardsOptions) {
    this.#options = options;
  }

  /** Opens what is on disk; returns what could not be opened, and why. */
  async restore(): Promise<readonly string[]> {
    const problems: string[] = [];
    for (const { key, document } of this.#options.state.forwards()) {
      const { service, port, protocol } = document as StoredForward;
      try {
        await this.#listen({ service, port: port ?? undefined, listen: key }, protocol);
      } catch (error) {
        problems.push(`${key} to ${service}: ${(error as Error).message}`);
      }
    }
    return problems;
  }

  list(): readonly Forward[] {
    return [...this.#open.values()].map(({ forward }) => forward);
  }

  async add(forward: Forward): Promise<{ created: boolean; forward: Forward }> {
    const known = this.#open.get(forward.listen)?.forward;
    if (known !== undefined) {
      if (known.service === forward.service && known.port === forward.port) {
        return { created: false, forward: known };
      }
      throw new GrapevineError(
        "conflict",
        `${forward.listen} is forwarded to ${known.service} already; remove that first`,
      );
    }
    const protocol = this.#options.view().services.get(forward.service)?.protocol ?? "http";
    const opened = await this.#listen(forward, protocol);
    this.#keep(opened, protocol);
    this.#options.onChange("forward.added", opened);
    return { created: true, forward: opened };
  }

  async remove(service: ServiceKey, listen: string | undefined): Promise<readonly Forward[]> {
    const found = [...this.#open.values()].filter(
      ({ forward }) =>
        forward.service === service && (listen === undefined || forward.listen === listen),
    );
    const kept = this.#closed().filter(
      (forward) =>
        forward.service === service && (listen === undefined || forward.listen === listen),
    );
    if (found.length === 0 && kept.length === 0) {
      const where = listen === undefined ? "" : ` from ${listen}`;
      throw new GrapevineError("not_found", `there is no forward${where} to ${service}`);
    }
    for (const { forward, listener } of found) {
      this.#options.state.deleteForward(forward.listen);
      this.#open.delete(forward.listen);
      await listener.close();
      this.#options.onChange("forward.removed", forward);
    }
    for (const forward of kept) {
      this.#options.state.deleteForward(forward.listen);
      this.#options.onChange("forward.removed", forward);
    }
    return [...found.map(({ forward }) => forward), ...kept];
  }

  /** Replaces listeners whose service turned out to speak something else. */
  async onView(view: MeshView): Promise<void> {
    for (const open of [...this.#open.values()]) {
      const protocol = view.services.get(open.forward.service)?.protocol ?? open.protocol;
      if (protocol !== open.protocol) await this.#replace(open, protocol);
    }
  }

  retire(): void {
    for (const { listener } of this.#open.values()) listener.retire();
  }

  async drain(): Promise<void> {
    await Promise.all([...this.#open.values()].map(({ listener }) => listener.drain()));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map(({ listener }) => listener.close()));
  }

  /** What is on disk and could not be opened. */
  #closed(): Forward[] {
    return this.#options.state
      .forwards()
      .filter(({ key }) => !this.#open.has(key))
      .map(({ key, document }) => {
        const { service, port } = document as StoredForward;
        return { service, port: port ?? undefined, listen: key };
      });
  }

  async #listen(forward: Forward, protocol: ServiceProtocol): Promise<Forward> {
    const address = parseHostPort(forward.listen);
    if (address === undefined) {
      throw new GrapevineError("invalid_argument", `"${forward.listen}" is not HOST:PORT`);
    }
    const { service } = forward;
    const { front, report, view, isOwn } = this.#options;
    const port = forwardPort(forward, view());
    const common = {
      ...address,
      front: forward.port === undefined ? portFollowing(front, forward, view) : front,
      report,
      isOwn,
      name: `forward:${forward.listen}`,
    };
    const listener =
      protocol === "http"
        ? await createHttpListener({ ...common, mode: { kind: "service", service, port } })
        : await createTcpListener({ ...common, service, servicePort: port });
    const opened = { ...forward, listen: listener.address };
    this.#open.set(opened.listen, { forward: opened, protocol, listener });
    return opened;
  }

  async #replace(open: Open, protocol: ServiceProtocol): Promise<void> {
    const { forward, listener } = open;
    this.#open.delete(forward.listen);
    await listener.close();
    await this.#listen(forward, protocol);
    this.#keep(forward, protocol);
  }

  #keep({ service, port, listen }: Forward, protocol: ServiceProtocol): void {
    const stored: StoredForward = { service, port: port ?? null, protocol };
    this.#options.state.putForward(listen, stored);
  }
}

/** Asks anew for each request which port the service has. */
function portFollowing(front: Front, forward: Forward, view: () => MeshView): Front {
  return {
    open: (request, observer) => {
      const { destination } = request;
      if (destination.kind !== "mesh") return front.open(request, observer);
      const port = forwardPort(forward, view());
      return front.open({ ...request, destination: { ...destination, port } }, observer);
    },
  };
}
