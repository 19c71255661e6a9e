/** S-M2. */
import type { CreateChecker } from "./checker.ts";
import { describeLife, lifeKey } from "./life.ts";

export const ownerOnly: CreateChecker = ({ nodes }) => {
  const said = new Set<string>();
  return {
    name: "S-M2",
    statement: "every life that is believed of a member was stated by that member itself",
    on: {
      said: (event) => {
        // A clone holds the key of the member that it copies; it has a number of its own.
        said.add(lifeKey(event.node, event));
      },
      belief: (event, report) => {
        const { node, subject } = event;
        if (subject < 0 || subject >= nodes || said.has(lifeKey(subject, event))) return;
        report(`n${node} believes ${describeLife(event)} of n${subject}, which never said so`, [
          node,
          subject,
        ]);
      },
    },
  };
};
