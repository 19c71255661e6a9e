/**
 * What this node says of itself. It alone raises its epoch and incarnation: to refute what others
 * say, to flag that it is leaving, and past any statement under its identity that it did not make
 * in this process. One such statement may be its own past (a restored disk); a second one, by the
 * same stranger and beyond the answer to the first, is another live process with the same key.
 */
import type { Signer } from "../core/seams.ts";
import type { Millis } from "../core/types.ts";
import {
  compareLives,
  INCARNATION_MAX,
  type Life,
  type Statement,
  signStatement,
} from "./records.ts";

/** Two statements of a stranger within this time are a duplicate. */
const DUPLICATE_WINDOW_MS = 60_000;

export class OwnStatement {
  readonly #signer: Signer;
  #current: Statement;
  #stranger: { readonly nonce: number; readonly at: Millis } | undefined;

  constructor(signer: Signer, content: Pick<Statement, "epoch" | "nonce" | "bind">) {
    this.#signer = signer;
    const { epoch, nonce, bind } = content;
    this.#current = signStatement(signer, {
      epoch,
      incarnation: 0,
      leaving: false,
      left: false,
      nonce,
      bind,
    });
  }

  get current(): Statement {
    return this.#current;
  }

  /** A statement beyond `life` and beyond the current one. */
  raise(life: Life, flags: { readonly leaving: boolean; readonly left: boolean }): Statement {
    const highest = compareLives(life, this.#current) > 0 ? life : this.#current;
    const isSpent = highest.incarnation + 1 >= INCARNATION_MAX;
    const { nonce, bind } = this.#current;
    this.#current = signStatement(this.#signer, {
      epoch: highest.epoch + (isSpent ? 1 : 0),
      incarnation: isSpent ? 0 : highest.incarnation + 1,
      leaving: flags.leaving,
      left: flags.left,
      nonce,
      bind,
    });
    return this.#current;
  }

  /** An authentic statement with this identity and a foreign nonce, not older than the current. */
  judgeStranger(statement: Statement, now: Millis): "past" | "duplicate" {
    const known = this.#stranger;
    const isAgain =
      known !== undefined &&
      known.nonce === statement.nonce &&
      now - known.at < DUPLICATE_WINDOW_MS;
    if (!isAgain) this.#stranger = { nonce: statement.nonce, at: now };
    return isAgain ? "duplicate" : "past";
  }
}
