/** The order of measuring: every subject once a round, each round beginning with another one. */

export function* inTurn<Subject>(
  subjects: readonly Subject[],
  rounds: number,
): Generator<[subject: Subject, round: number]> {
  for (let round = 0; round < rounds; round += 1) {
    for (let at = 0; at < subjects.length; at += 1) {
      yield [subjects[(at + round) % subjects.length] as Subject, round];
    }
  }
}
