/**
 * The registry of metrics and its text exposition. Handles are bound to their labels once, and an
 * update is then one addition in a typed array, cheap enough for the data path. A family that would
 * grow without end (a label from outside) sends what does not fit into one overflow series, so that
 * sums stay right and memory stays bounded.
 */
import { assert } from "../../core/assert.ts";

/** Series of one family; Prometheus itself suffers above some thousands. */
export const SERIES_PER_FAMILY_MAX = 2_000;
/** The value of every label of the overflow series; no service can have this name. */
export const OVERFLOW_LABEL = "_overflow";

const METRIC_NAME = /^[a-z][a-z0-9_]*$/;

type MetricType = "counter" | "gauge" | "histogram";

/** The series of one metric: `width` numbers for each combination of label values. */
class Family {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly labelNames: readonly string[];
  readonly #width: number;
  readonly #offsets = new Map<string, { offset: number; labels: string }>();
  readonly #seriesMax: number;
  values: Float64Array;

  constructor(
    type: MetricType,
    name: string,
    help: string,
    labelNames: readonly string[],
    width: number,
    seriesMax: number,
  ) {
    assert(METRIC_NAME.test(name), `"${name}" is not a metric name`);
    assert(
      labelNames.every((label) => METRIC_NAME.test(label)),
      `${name} has a bad label name`,
    );
    this.type = type;
    this.name = name;
    this.help = help;
    this.labelNames = labelNames;
    this.#width = width;
    this.#seriesMax = seriesMax;
    this.values = new Float64Array(width * 4);
  }

  /** Where the numbers of these label values begin in `values`. */
  offsetOf(labelValues: readonly string[]): number {
    assert(labelValues.length === this.labelNames.length, `${this.name} has other labels`);
    const key = labelValues.join("\u0000");
    const known = this.#offsets.get(key);
    if (known !== undefined) return known.offset;
    if (this.#offsets.size >= this.#seriesMax && labelValues.some((l) => l !== OVERFLOW_LABEL)) {
      return this.offsetOf(this.labelNames.map(() => OVERFLOW_LABEL));
    }
    const offset = this.#offsets.size * this.#width;
    if (offset + this.#width > this.values.length) {
      const grown = new Float64Array(this.values.length * 2);
      grown.set(this.values);
      this.values = grown;
    }
    this.#offsets.set(key, { offset, labels: formatLabels(this.labelNames, labelValues) });
    return offset;
  }

  /** Forgets all series; handles bound before are void. */
  clear(): void {
    this.#offsets.clear();
    this.values.fill(0);
  }

  *series(): Iterable<{ offset: number; labels: string }> {
    yield* this.#offsets.values();
  }
}

export class Counter {
  readonly #family: Family;
  readonly #offset: number;

  constructor(family: Family, offset: number) {
    this.#family = family;
    this.#offset = offset;
  }

  increment(by = 1): void {
    const { values } = this.#family;
    values[this.#offset] = (values[this.#offset] ?? 0) + by;
  }

  /** For totals that somebody else counts. */
  raiseTo(total: number): void {
    const { values } = this.#family;
    values[this.#offset] = Math.max(values[this.#offset] ?? 0, total);
  }
}

class Gauge {
  readonly #family: Family;
  readonly #offset: number;

  constructor(family: Family, offset: number) {
    this.#family = family;
    this.#offset = offset;
  }

  set(value: number): void {
    this.#family.values[this.#offset] = value;
  }
}

export class Histogram {
  readonly #family: Family;
  readonly #offset: number;
  readonly #bounds: Float64Array;

  constructor(family: Family, offset: number, bounds: Float64Array) {
    this.#family = family;
    this.#offset = offset;
    this.#bounds = bounds;
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket += 1;
    const { values } = this.#family;
    const count = this.#offset + bucket;
    const sum = this.#offset + bounds.length + 1;
    values[count] = (values[count] ?? 0) + 1;
    values[sum] = (values[sum] ?? 0) + value;
  }
}

/** Makes handles for label values, given in the order of the label names. */
export interface Labelled<Handle> {
  with(...labelValues: string[]): Handle;
}

export interface LabelledGauge extends Labelled<Gauge> {
  /** Forgets all series: for gauges that are set anew before each scrape. */
  clear(): void;
}

export interface RegistryOptions {
  /** Default SERIES_PER_FAMILY_MAX. */
  readonly seriesPerFamilyMax?: number;
}

export class Registry {
  readonly #families = new Map<string, { family: Family; bounds: Float64Array }>();
  readonly #collectors: (() => void)[] = [];
  readonly #seriesMax: number;

  constructor(options: RegistryOptions = {}) {
    this.#seriesMax = options.seriesPerFamilyMax ?? SERIES_PER_FAMILY_MAX;
  }

  /** The name ends in "_total". */
  counter(name: string, help: string, ...labelNames: string[]): Labelled<Counter> {
    assert(name.endsWith("_total"), `the counter ${name} must end in _total`);
    const family = this.#add("counter", name, help, labelNames, new Float64Array());
    return { with: (...labels) => new Counter(family, family.offsetOf(labels)) };
  }

  gauge(name: string, help: string, ...labelNames: string[]): LabelledGauge {
    const family = this.#add("gauge", name, help, labelNames, new Float64Array());
    return {
      with: (...labels) => new Gauge(family, family.offsetOf(labels)),
      clear: () => family.clear(),
    };
  }

  /** `bounds` are the upper bounds of the buckets, ascending, in the unit of the name. */
  histogram(
    name: string,
    help: string,
    bounds: readonly number[],
    ...labelNames: string[]
  ): Labelled<Histogram> {
    const limits = Float64Array.from(bounds);
    assert(
      bounds.every((bound, at) => at === 0 || bound > (bounds[at - 1] as number)),
      `the buckets of ${name} must ascend`,
    );
    const family = this.#add("histogram", name, help, labelNames, limits);
    return { with: (...labels) => new Histogram(family, family.offsetOf(labels), limits) };
  }

  /** Called before each scrape, to set gauges from what is true then. */
  beforeScrape(collect: () => void): void {
    this.#collectors.push(collect);
  }

  /** Everything in Prometheus' text format 0.0.4. */
  expose(): string {
    for (const collect of this.#collectors) collect();
    const lines: string[] = [];
    for (const { family, bounds } of this.#families.values()) {
      lines.push(`# HELP ${family.name} ${escapeHelp(family.help)}`);
      lines.push(`# TYPE ${family.name} ${family.type}`);
      for (const { offset, labels } of family.series()) {
        if (family.type === "histogram") exposeHistogram(family, offset, labels, bounds, lines);
        else lines.push(`${family.name}${wrap(labels)} ${format(family.values[offset] ?? 0)}`);
      }
    }
    return `${lines.join("\n")}\n`;
  }

  #add(
    type: MetricType,
    name: string,
    help: string,
    labelNames: readonly string[],
    bounds: Float64Array,
  ): Family {
    assert(!this.#families.has(name), `the metric ${name} exists already`);
    const width = type === "histogram" ? bounds.length + 2 : 1;
    const family = new Family(type, name, help, labelNames, width, this.#seriesMax);
    this.#families.set(name, { family, bounds });
    return family;
  }
}

function exposeHistogram(
  family: Family,
  offset: number,
  labels: string,
  bounds: Float64Array,
  lines: string[],
): void {
  const comma = labels === "" ? "" : ",";
  let count = 0;
  for (let bucket = 0; bucket <= bounds.length; bucket += 1) {
    count += family.values[offset + bucket] ?? 0;
    const bound = bounds[bucket] ?? Number.POSITIVE_INFINITY;
    lines.push(`${family.name}_bucket{${labels}${comma}le="${format(bound)}"} ${format(count)}`);
  }
  const sum = family.values[offset + bounds.length + 1] ?? 0;
  lines.push(`${family.name}_sum${wrap(labels)} ${format(sum)}`);
  lines.push(`${family.name}_count${wrap(labels)} ${format(count)}`);
}

function formatLabels(names: readonly string[], values: readonly string[]): string {
  return names.map((name, at) => `${name}="${escapeLabel(values[at] ?? "")}"`).join(",");
}

function wrap(labels: string): string {
  return labels === "" ? "" : `{${labels}}`;
}

/** Lone surrogates are not valid UTF-8 and would make the whole scrape unreadable. */
function escapeLabel(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\\"\n]/g, (found) => (found === "\n" ? "\\n" : `\\${found}`));
}

function escapeHelp(text: string): string {
  return text.replace(/[\\\n]/g, (found) => (found === "\n" ? "\\n" : "\\\\"));
}

function format(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return `${value}`;
}
