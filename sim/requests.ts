/**
 * Which requests applications send, from the plan alone: counted draws, so that leaving a fault out
 * of a plan leaves every request as it was, and a simulated and a real mesh are asked the same.
 */
import { drawBelow, drawFloat, streamKey } from "./engine/draws.ts";
import type { Plan } from "./plan.ts";

/** Draws that belong to one request. */
const STRIDE = 8;
const KEYS = 1_000;

export interface DrawnRequest {
  /** After the one before it. */
  readonly pauseUs: number;
  readonly node: number;
  /** In the namespace "default". */
  readonly service: string;
  readonly key: string | undefined;
  readonly isIdempotent: boolean;
}

/** `number` counts from 1. The plan must want requests to at least one service. */
export function drawRequest({ seed, nodes, workload }: Plan, number: number): DrawnRequest {
  const stream = streamKey(seed, 0x30ad);
  const at = number * STRIDE;
  const meanUs = 1_000_000 / workload.requestsPerSecond;
  const isKeyed = drawFloat(stream, at + 3) < workload.keyed;
  return {
    pauseUs: Math.ceil(2 * meanUs * drawFloat(stream, at)),
    node: drawBelow(stream, at + 1, Math.min(nodes, workload.callers ?? nodes)),
    service: `s${drawBelow(stream, at + 2, workload.services)}`,
    key: isKeyed ? `k${drawBelow(stream, at + 4, KEYS)}` : undefined,
    isIdempotent: drawFloat(stream, at + 5) >= workload.unsafe,
  };
}

/** Where an instance of the plan's workload stands and what it is called. */
export function furnished({ workload }: Plan, node: number): { service: string; id: string }[] {
  const { services, instancesPerNode } = workload;
  if (services === 0) return [];
  return Array.from({ length: instancesPerNode }, (_, at) => ({
    service: `s${(node + at) % services}`,
    id: `n${node}-${at}`,
  }));
}
