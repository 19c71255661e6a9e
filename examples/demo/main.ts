/**
 * The demo: a mesh of four agents, two HTTP services of which one calls the other through the mesh,
 * an ordinary client at a steady rate, and then faults. What the client measured decides: the exit
 * code is 1 if one of its requests failed.
 */
import { type CountOutcome, Ledger } from "./ledger.ts";
import { failed, measure, type Outcome, type Phase } from "./measure.ts";
import { type Agent, local, Processes, type Service } from "./processes.ts";
import { type MemberRow, table, View } from "./view.ts";

const RATE_PER_SECOND = 100;
const PHASE_MS = 4_500;
const WARM_UP_MS = 1_500;
/** Actors that are counted on, and the pause between two increments of one. */
const COUNTERS = 10;
const COUNT_PAUSE_MS = 100;
const POLL_MS = 20;
const SERVICES = 2;
const DRAW_INTERVAL_MS = 250;

interface ServiceRow {
  readonly instances: readonly unknown[];
}

const processes = new Processes();
const outcomes: Outcome[] = [];
const ledger = new Ledger();
const phases: Phase[] = [];
const events: string[] = [];
const startedAt = Date.now();

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function begin(title: string, awaits?: string): void {
  phases.push({ title, startedAt: Date.now(), ...(awaits === undefined ? {} : { awaits }) });
  note(title);
}

function note(text: string): void {
  events.push(`${((Date.now() - startedAt) / 1000).toFixed(1).padStart(5)} s  ${text}`);
}

async function host(agent: Agent, withShop: boolean): Promise<readonly Service[]> {
  const orders = processes.service("orders", agent);
  const shop = withShop ? [processes.service("shop", agent, "http://orders.mesh")] : [];
  return Promise.all([orders, ...shop]);
}

/** Waits until the agent knows of so many instances of each service. */
async function known(agent: Agent, instances: number): Promise<void> {
  for (;;) {
    const services = (await local(agent, "GET", "/v1/services")) as readonly ServiceRow[];
    const enough = services.filter((service) => service.instances.length >= instances);
    if (enough.length === SERVICES) return;
    await sleep(POLL_MS);
  }
}

/** The same for hosts of the counter. */
async function hosted(agent: Agent, hosts: number): Promise<void> {
  for (;;) {
    const [type] = (await local(agent, "GET", "/v1/actors")) as readonly { hosts: unknown[] }[];
    if ((type?.hosts.length ?? 0) >= hosts) return;
    await sleep(POLL_MS);
  }
}

function watch(agent: Agent): () => void {
  const view = new View(process.stdout);
  let members: readonly MemberRow[] = [];
  const timer = setInterval(() => {
    local(agent, "GET", "/v1/members").then(
      (answer) => {
        members = answer as MemberRow[];
      },
      () => {},
    );
    view.draw({ elapsedMs: Date.now() - startedAt, members, outcomes, events });
  }, DRAW_INTERVAL_MS);
  return () => {
    clearInterval(timer);
    view.draw({ elapsedMs: Date.now() - startedAt, members, outcomes, events });
  };
}

async function run(): Promise<number> {
  process.stdout.write(
    "starting four agents, three instances of orders, three of shop, three hosts of a counter …\n",
  );
  const a = await processes.agent("a", undefined);
  const [b, c, d] = await Promise.all(["b", "c", "d"].map((name) => processes.agent(name, a)));
  if (b === undefined || c === undefined || d === undefined) throw new Error("no agents");
  const [onB] = await Promise.all([host(b, true), host(c, true), host(d, true)]);
  await Promise.all([b, c, d].map((agent) => processes.counterHost(agent)));
  await Promise.all([known(a, 3), hosted(a, 3)]);
  const unwatch = watch(a);
  begin("first requests of new processes");
  processes.client(a, "http://shop.mesh/checkout", RATE_PER_SECOND, (line) =>
    outcomes.push(JSON.parse(line) as Outcome),
  );
  processes.counterClient(a, COUNTERS, COUNT_PAUSE_MS, (line) =>
    ledger.take(JSON.parse(line) as CountOutcome),
  );
  await sleep(WARM_UP_MS);
  begin("calm");
  await sleep(PHASE_MS);

  begin("kill -9 instance orders-b");
  onB?.[0]?.process.kill("SIGKILL");
  await sleep(PHASE_MS);

  begin("kill -9 agent c");
  c.process.kill("SIGKILL");
  await sleep(PHASE_MS);

  begin("agent e joins with new instances", "-e");
  const e = await processes.agent("e", a);
  await host(e, true);
  await sleep(PHASE_MS);

  begin("agent d leaves");
  await local(d, "POST", "/v1/leave");
  await sleep(PHASE_MS);

  unwatch();
  return report();
}

function report(): number {
  const results = measure(phases, outcomes);
  const failures = outcomes.filter(failed);
  process.stdout.write(`\n${table(results)}\n\n`);
  process.stdout.write(
    `${outcomes.length} requests, ${failures.length} failed, as measured by the client\n`,
  );
  for (const { status, error, by, at } of failures.slice(0, 10)) {
    const why = error ?? `answered by ${by}`;
    process.stdout.write(`  ${((at - startedAt) / 1000).toFixed(2)} s  ${status} ${why}\n`);
  }
  process.stdout.write(`${ledger.describe()}\n`);
  return failures.length === 0 && outcomes.length > 0 ? 0 : 1;
}

function end(code: number): never {
  processes.stop();
  process.exit(code);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => end(130));
}
function give(error: unknown): never {
  process.stderr.write(
    `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  end(1);
}
process.once("uncaughtException", give);
run().then(end, give);
