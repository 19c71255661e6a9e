/** A LocalNode without a mesh: real registrations, events and log over a view that a test sets. */
import type { Forward, LocalNode } from "../../../agent/api/node.ts";
import { Registrations } from "../../../agent/registrations/registrations.ts";
import { EventBus } from "../../../agent/telemetry/events.ts";
import { Log } from "../../../agent/telemetry/log.ts";
import { GrapevineError } from "../../../core/errors.ts";
import { SeededRandom } from "../../../core/random.ts";
import type { Millis } from "../../../core/types.ts";
import type { MeshView } from "../../../core/view.ts";
import { SystemClock } from "../../../transport/clock.ts";
import { decisionRecord } from "../telemetry/record.ts";
import { instanceView, memberView, meshView, nodeId } from "../views.ts";

export function createFakeNode() {
  const clock = new SystemClock({ unref: true });
  const log = new Log({
    level: "silent",
    sink: { write: () => undefined, flush: async () => undefined },
  });
  const registrations = fakeRegistrations(clock);
  const forwards = new Map<string, Forward>();
  const records = [2, 1].map((at) => decisionRecord({ id: `000000000000000${at}` }));
  const state = { leave: Promise.resolve(), calls: [] as string[] };
  const since = clock.now();
  const view = fakeView(since);
  const node: LocalNode = {
    events: new EventBus(() => clock.wall()),
    log,
    now: () => clock.now(),
    view: () => view,
    status: () => ({
      pid: process.pid,
      name: "a",
      id: nodeId("a"),
      version: "0.1.0",
      uptimeMs: 12.4,
      ready: true,
      draining: false,
      zone: "z1",
      region: "",
      links: 2,
      addresses: { bind: "", link: "", proxy: "off", admin: "off", dns: "off", socket: "" },
    }),
    breaker: (instance) => (instance.id === "one" ? "open" : "closed"),
    localInstance: (service, id) => registrations.get(service, id),
    register: (registration) => registrations.register(registration),
    deregister: (service, id) => registrations.deregister(service, id),
    report: (service, id, ok, message) => registrations.report(service, id, ok, message),
    join: async (address) => {
      if (address.endsWith(":1")) throw new GrapevineError("join_failed", `${address} is silent`);
      state.calls.push(`join ${address}`);
    },
    leave: () => state.leave,
    reload: async () => ({ changed: ["logLevel"], ignored: [] }),
    forget: async (member) => {
      if (member === "bug") throw new TypeError("secret detail");
      return { id: nodeId(member), name: member };
    },
    activations: () => [],
    forwards: () => [...forwards.values()],
    addForward: async (forward) => {
      const created = !forwards.has(forward.listen);
      forwards.set(forward.listen, forward);
      return { created, forward };
    },
    removeForward: async (service, listen) => {
      const found = [...forwards.values()].filter((forward) => forward.service === service);
      const removed = found.filter((forward) => listen === undefined || forward.listen === listen);
      for (const forward of removed) forwards.delete(forward.listen);
      return removed;
    },
    records: (last) => records.slice(0, last),
    record: (id) => records.find((record) => record.id === id),
  };
  return { node, log, state, close: () => registrations.close() };
}

function fakeRegistrations(clock: SystemClock): Registrations {
  return new Registrations({
    clock,
    random: new SeededRandom(1),
    store: { put: () => undefined, delete: () => undefined, all: () => [] },
    agentName: "a",
    allowExecChecks: false,
    onChange: () => undefined,
  });
}

function fakeView(since: Millis): MeshView {
  return meshView({
    members: [
      memberView("b", { since, state: "suspect" }),
      memberView("a", { since, self: true }),
      memberView("c", { since, state: "dead" }),
    ],
    instances: [
      instanceView("web", "one", "b", { since }),
      instanceView("web", "two", "a", { since, ports: [81], tags: { k: "v" } }),
      instanceView("api", "x", "b", { since, health: "failing", conflict: true, agentName: "" }),
    ],
  });
}
