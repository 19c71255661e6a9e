/** `grapevine explain`: where requests went, and why. */
import type { DecisionRecord } from "../../core/record.ts";
import { type Command, usageError } from "../command.ts";
import { explainRecord } from "../explanation.ts";
import { print } from "../output.ts";

const LAST_MAX = 1_000;

export const command: Command = {
  path: ["explain"],
  summary: "explain where a request went, and why",
  details:
    "REQUEST-ID is the answer's grapevine-request-id header. Only the agent that took a request " +
    "has its record, and it keeps the newest ones. With --json: the record, or with --last a list.",
  positionals: [{ name: "REQUEST-ID", required: false }],
  flags: [
    { name: "last", kind: "one", placeholder: "N", summary: "the newest N requests, newest last" },
  ],
  examples: ["grapevine explain 4bf92f3577b34da6", "grapevine explain --last 1"],
  async run(call) {
    const [id] = call.positionals;
    const last = call.values.one("last");
    if ((id === undefined) === (last === undefined)) {
      throw usageError("which request? Give either its id or --last N");
    }
    const { style } = call.terminal;
    if (id !== undefined) {
      const path = `/v1/requests/${encodeURIComponent(id)}`;
      const record = (await call.agent().get(path)) as DecisionRecord;
      return print(call, record, () => explainRecord(record, style));
    }
    if (!/^\d{1,4}$/.test(last ?? "") || Number(last) < 1 || Number(last) > LAST_MAX) {
      throw usageError(`--last: expects a whole number from 1 to ${LAST_MAX}, not "${last}"`);
    }
    const records = (await call.agent().get(`/v1/requests?last=${last}`)) as DecisionRecord[];
    return print(call, records, () => {
      if (records.length === 0) return "no requests yet\n";
      return records
        .toReversed()
        .map((record) => explainRecord(record, style))
        .join("\n");
    });
  },
};
