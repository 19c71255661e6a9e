/** What a route of the local API is, and how its handlers read what they are given. */
import { isLabel, serviceKey } from "../../core/names.ts";
import type { ServiceKey } from "../../core/types.ts";
import type { Problem } from "../registrations/fields.ts";
import { Fields } from "../registrations/fields.ts";
import { notALabel } from "../registrations/schema.ts";
import type { LocalNode } from "./node.ts";
import { ApiError, invalidBody } from "./problem.ts";
import type { Query } from "./query.ts";

export interface Call {
  readonly node: LocalNode;
  /** The variable parts of the path, decoded, in order. */
  readonly params: readonly string[];
  readonly query: Query;
  /** The JSON of the body; undefined if there is none. */
  readonly body: unknown;
}

export interface Reply {
  readonly status: number;
  readonly body: unknown;
}

export interface Route {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Segments; "*" stands for one variable part. */
  readonly path: string;
  readonly query: readonly string[];
  readonly handle: (call: Call) => Promise<Reply> | Reply;
}

/** Reads NAMESPACE/NAME from the path; throws `invalid_argument`. */
export function readServiceKey(params: readonly string[]): ServiceKey {
  const [namespace = "", name = ""] = params;
  for (const part of [namespace, name]) {
    if (!isLabel(part)) throw new ApiError("invalid_argument", notALabel(part));
  }
  return serviceKey(namespace, name);
}

/** The fields of a body; an absent body is an empty one where that is allowed. */
export function readFields(body: unknown, known: readonly string[], optional: boolean): Fields {
  const problems: Problem[] = [];
  const fields = Fields.of(body === undefined && optional ? {} : body, known, "", problems);
  if (fields === undefined)
    throw invalidBody([{ path: "", message: "the body must be a JSON object" }]);
  return fields;
}

export function throwProblems(fields: Fields): void {
  if (fields.problems.length > 0) throw invalidBody(fields.problems);
}
