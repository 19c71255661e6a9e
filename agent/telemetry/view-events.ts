/**
 * Derives events from two views in a row: what became of members and instances. The views are the
 * truth, so nothing else has to announce these changes, and an event can never contradict them.
 */
import type { ServiceKey } from "../../core/types.ts";
import type { InstanceView, MemberView, MeshView } from "../../core/view.ts";
import type { MeshEventSubject, MeshEventType } from "./events.ts";

export type Publish = (type: MeshEventType, subject: MeshEventSubject) => void;

/** Publishes the difference: members first, each in the order of the newer view. */
export function publishViewChanges(before: MeshView, after: MeshView, publish: Publish): void {
  if (before.members !== after.members) {
    for (const member of after.members.values()) {
      publishMember(before.members.get(member.id), member, publish);
    }
    for (const member of before.members.values()) {
      if (!after.members.has(member.id)) publish("member.forgotten", memberSubject(member));
    }
  }
  if (before.services === after.services) return;
  for (const service of after.services.values()) {
    const earlier = before.services.get(service.key);
    if (earlier === service) continue;
    publishInstances(earlier?.instances ?? [], service.instances, after, publish);
  }
  for (const [key, service] of before.services) {
    if (!after.services.has(key as ServiceKey)) {
      publishInstances(service.instances, [], after, publish);
    }
  }
}

function publishMember(before: MemberView | undefined, after: MemberView, publish: Publish): void {
  if (before === after || after.self) return;
  const subject = memberSubject(after);
  if (before === undefined) {
    publish("member.joined", subject);
    if (after.state !== "alive") publish(`member.${after.state}`, subject);
  } else if (before.state !== after.state) {
    publish(`member.${after.state}`, subject);
  }
  if (after.leaving && before?.leaving !== true && after.state !== "left") {
    publish("member.leaving", subject);
  }
}

function publishInstances(
  before: readonly InstanceView[],
  after: readonly InstanceView[],
  view: MeshView,
  publish: Publish,
): void {
  const earlier = new Map(before.map((instance) => [placeOf(instance), instance]));
  for (const instance of after) {
    const known = earlier.get(placeOf(instance));
    earlier.delete(placeOf(instance));
    if (known === instance) continue;
    const subject = instanceSubject(instance);
    if (known === undefined) publish("instance.registered", subject);
    else if (changed(known, instance)) publish("instance.updated", subject);
    const healthBefore = known?.health ?? "passing";
    if (instance.health !== healthBefore) publish(`instance.${instance.health}`, subject);
    if (instance.conflict && known?.conflict !== true) publish("instance.conflict", subject);
  }
  for (const gone of earlier.values()) {
    // The instances of a member that is gone are not deregistered: they return with it.
    const state = view.members.get(gone.agent)?.state;
    if (state === "alive" || state === "suspect") {
      publish("instance.deregistered", instanceSubject(gone));
    }
  }
}

function changed(before: InstanceView, after: InstanceView): boolean {
  return (
    before.address !== after.address ||
    before.protocol !== after.protocol ||
    before.version !== after.version ||
    before.weight !== after.weight ||
    before.ports.join() !== after.ports.join() ||
    JSON.stringify(before.tags) !== JSON.stringify(after.tags)
  );
}

function placeOf(instance: InstanceView): string {
  return `${instance.id} ${instance.agent}`;
}

function memberSubject(member: MemberView): MeshEventSubject {
  return { member: member.name, memberId: member.id };
}

function instanceSubject(instance: InstanceView): MeshEventSubject {
  const agent = instance.agentName === "" ? instance.agent : instance.agentName;
  return { service: instance.service, instance: instance.id, agent };
}
