/** A moment in a member's life, as checkers compare it. */
export interface Life {
  readonly epoch: number;
  readonly incarnation: number;
}

export function compareLives(one: Life, other: Life): number {
  return one.epoch - other.epoch || one.incarnation - other.incarnation;
}

export function describeLife({ epoch, incarnation }: Life): string {
  return `epoch ${epoch} incarnation ${incarnation}`;
}

/** A key for one life of one member. */
export function lifeKey(node: number, { epoch, incarnation }: Life): string {
  return `${node} ${epoch} ${incarnation}`;
}
