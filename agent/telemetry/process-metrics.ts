/**
 * The figures of the process itself, under the names that Prometheus' own clients use. The lag of
 * the event loop is what the failure detector of a busy agent suffers from first.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { descriptorReader } from "./descriptors.ts";
import type { Registry } from "./metrics.ts";

/** Often enough to see a pause of this length, seldom enough to cost nothing. */
const LAG_RESOLUTION_MS = 50;

/** Begins to observe the process; `close` ends it. */
export function createProcessMetrics(registry: Registry): { close(): void } {
  const cpu = registry
    .counter("process_cpu_seconds_total", "CPU time of the process, user and system.")
    .with();
  const resident = registry
    .gauge("process_resident_memory_bytes", "Resident memory of the process.")
    .with();
  const heapUsed = registry.gauge("nodejs_heap_size_used_bytes", "JavaScript heap in use.").with();
  const heapTotal = registry.gauge("nodejs_heap_size_total_bytes", "JavaScript heap.").with();
  const external = registry
    .gauge("nodejs_external_memory_bytes", "Memory of buffers and native objects.")
    .with();
  const lagHelp = "Delay of the event loop since the last scrape";
  const lag = registry.gauge("nodejs_eventloop_lag_seconds", `${lagHelp}, mean.`).with();
  const lag99 = registry
    .gauge("nodejs_eventloop_lag_p99_seconds", `${lagHelp}, 99th percentile.`)
    .with();
  const lagMax = registry.gauge("nodejs_eventloop_lag_max_seconds", `${lagHelp}, maximum.`).with();
  const started = Math.round(performance.timeOrigin) / 1_000;
  registry
    .gauge("process_start_time_seconds", "Start of the process, in seconds since 1970.")
    .with()
    .set(started);
  collectDescriptors(registry);

  const delay = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  delay.enable();
  registry.beforeScrape(() => {
    const { user, system } = process.cpuUsage();
    cpu.raiseTo((user + system) / 1e6);
    const memory = process.memoryUsage();
    resident.set(memory.rss);
    heapUsed.set(memory.heapUsed);
    heapTotal.set(memory.heapTotal);
    external.set(memory.external);
    lag.set(lagSeconds(delay.mean));
    lag99.set(lagSeconds(delay.percentile(99)));
    lagMax.set(lagSeconds(delay.max));
    delay.reset();
  });
  return { close: () => delay.disable() };
}

/** Samples are nanoseconds between two timer runs, the resolution included; NaN without samples. */
function lagSeconds(nanoseconds: number): number {
  if (Number.isNaN(nanoseconds)) return 0;
  return Math.max(0, nanoseconds / 1e9 - LAG_RESOLUTION_MS / 1_000);
}

/** Linux alone tells them; elsewhere the metrics are absent. */
function collectDescriptors(registry: Registry): void {
  const read = descriptorReader();
  if (read === undefined) return;
  const most = registry.gauge("process_max_fds", "Limit of open file descriptors.").with();
  const open = registry.gauge("process_open_fds", "Open file descriptors.").with();
  registry.beforeScrape(() => {
    const use = read();
    open.set(use.open);
    most.set(use.max);
  });
}
