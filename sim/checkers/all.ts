/** Every checker, in the order of docs/simulator.md. */
import type { CreateChecker } from "./checker.ts";

export const CHECKERS: readonly CreateChecker[] = [];
