/**
 * What a node reports, told to whoever listens: the log for operators, events for scripts, records
 * and metrics for later questions, the disk for the next start.
 */
import { GrapevineError } from "../../core/errors.ts";
import type { LinkEvent } from "../../core/link/links.ts";
import type { DirectoryReport } from "../../membership/directory.ts";
import type { MemberEvent } from "../../membership/membership.ts";
import type { NodeListener } from "../assemble.ts";
import type { RegistrationEvent } from "../registrations/registrations.ts";
import { createAccessLog } from "../telemetry/access-log.ts";
import type { EventBus } from "../telemetry/events.ts";
import type { Log } from "../telemetry/log.ts";
import { createRequestMetrics } from "../telemetry/request-metrics.ts";
import { publishViewChanges } from "../telemetry/view-events.ts";
import { DialLog } from "./dial-log.ts";
import type { Forwards } from "./forwards.ts";
import type { AgentParts } from "./parts.ts";

/** An agent that finds its key in use within this time of its start is the clone. */
const CLONE_UPTIME_MS = 30_000;

export function observeNode(
  parts: Omit<AgentParts, "node" | "forwards">,
  forwards: () => Forwards | undefined,
): NodeListener {
  const { log, events, records, registry, learned, dials } = parts;
  const logAccess = createAccessLog(log.component("access"));
  const metrics = createRequestMetrics(registry);
  const membership = log.component("membership");
  const dialLog = new DialLog(membership);
  return {
    onView: (view, former) => {
      publishViewChanges(former, view, (type, subject) => events.publish(type, subject));
      learned.onView(view, Date.now());
      forwards()
        ?.onView(view)
        .catch((error: unknown) => log.root.warn({ error }, "a forward could not be replaced"));
    },
    onMemberEvent: (event) => {
      logMember(event, log);
      if (event.kind === "duplicate_identity") onDuplicate(parts);
      if (event.kind === "forgotten") learned.forget(event.peer);
    },
    onLinkEvent: (event) => observeLink(event, events, log),
    onDocument: (owner, message, part) => learned.keepStatement(owner, message, part),
    onRefused: (peer, why) => membership.warn({ peer }, `refused: ${why}`),
    onDirectoryReport: (report) => {
      logReport(report, log);
      if (report.kind === "duplicate_identity") onDuplicate(parts);
    },
    onDialed: (address, failure) => {
      if (failure === undefined) {
        dials.onConnected(address);
        dialLog.onConnected(address);
      } else {
        dials.onFailed(address, failure);
        dialLog.onFailed(address, failure);
      }
    },
    onRecord: (record) => {
      records.add(record);
      // Of actor calls only some are recorded: counts would mislead.
      if (record.kind !== "actor") metrics.onRecord(record);
      logAccess(record);
    },
    onActorTimerFailed: (type, key, thrown) =>
      log.component("actors").error({ err: thrown }, `a timer or onStop of ${type}/${key} threw`),
  };
}

/** Of two agents with one key the younger one is the clone, and must not wear the older one out. */
function onDuplicate({ failure, config }: Pick<AgentParts, "failure" | "config">): void {
  if (process.uptime() * 1_000 > CLONE_UPTIME_MS) return;
  failure.reject(
    new GrapevineError(
      "conflict",
      `another agent runs with the identity of this one (${config.dataDir}); this one, the younger, ` +
        "stops. Give each agent its own data directory and identity",
    ),
  );
}

export function observeRegistrations(event: RegistrationEvent, log: Log): void {
  const logger = log.component("registrations");
  if (event.type === "health") {
    logger.info(event, `${event.key} is ${event.health}: ${event.message}`);
  } else logger.info(event, `${event.key} ${event.type}`);
}

function logMember(event: MemberEvent, log: Log): void {
  const { kind, peer, why } = event;
  const level = kind === "dead" || kind === "duplicate_identity" ? "warn" : "info";
  log.component("membership")[level]({ peer, why }, `member ${kind.replace("_", " ")}: ${why}`);
}

function observeLink(event: LinkEvent, events: EventBus, log: Log): void {
  const { peer } = event;
  if (event.kind === "dial_failed") {
    const { address, reason } = event;
    log.component("links").info({ peer, address }, `no link to ${address}: ${reason.detail}`);
    return;
  }
  if (event.kind === "link_up") events.publish("link.opened", { memberId: peer });
  else events.publish("link.closed", { memberId: peer, detail: event.reason.detail });
  log.component("links").debug(event, event.kind.replace("_", " "));
}

function logReport(report: DirectoryReport, log: Log): void {
  const logger = log.component("directory");
  switch (report.kind) {
    case "refused":
      logger.warn(report, `refused a document: ${report.reason}`);
      return;
    case "not_offered":
      logger.error(report, `${report.instance} is not published: ${report.reason}`);
      return;
    case "duplicate_identity":
      logger.error(report, "another agent runs with this agent's key; stop one of the two");
      return;
    case "equivocation":
      logger.warn(report, `${report.owner} published two documents under one number`);
      return;
    case "outrun":
      logger.info(report, "went past documents of an earlier life of this agent");
  }
}
