import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AgentClient } from "../../cli/client.ts";
import { Lease } from "../../cli/lease.ts";
import { GrapevineError } from "../../core/errors.ts";

const SERVICE = { namespace: "default", name: "web" };

/** An agent that forgets, falls silent and comes back. */
class MoodyAgent {
  readonly asked: string[] = [];
  knows = true;
  answers = true;

  async request(method: string, path: string): Promise<unknown> {
    this.asked.push(`${method} ${path.replace("/v1/services/default/", "")}`);
    if (!this.answers) throw new GrapevineError("agent_unreachable", "silence");
    if (method === "PUT") this.knows = true;
    else if (!this.knows) throw new GrapevineError("not_found", "forgotten");
    return { id: "a-1" };
  }
}

describe("a lease", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const take = async (agent: MoodyAgent, warnings: string[] = []) =>
    await Lease.take(agent as unknown as AgentClient, SERVICE, "_", {}, (text) =>
      warnings.push(text),
    );

  it("is renewed until it is released, once", async () => {
    const agent = new MoodyAgent();
    const lease = await take(agent);
    expect(lease.instance).toBe("a-1");
    await vi.advanceTimersByTimeAsync(6_500);
    await Promise.all([lease.release(), lease.release()]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(agent.asked).toEqual([
      "PUT web/_",
      "POST web/a-1/pass",
      "POST web/a-1/pass",
      "DELETE web/a-1",
    ]);
  });

  it("registers again, under the same id, with an agent that was restarted", async () => {
    const agent = new MoodyAgent();
    const lease = await take(agent);
    agent.knows = false;
    await vi.advanceTimersByTimeAsync(3_100);
    expect(agent.asked.slice(1)).toEqual(["POST web/a-1/pass", "PUT web/a-1"]);
    await lease.release();
  });

  it("says once that the agent is lost, and once that it is back", async () => {
    const agent = new MoodyAgent();
    const warnings: string[] = [];
    const lease = await take(agent, warnings);
    agent.answers = false;
    await vi.advanceTimersByTimeAsync(9_500);
    agent.answers = true;
    await vi.advanceTimersByTimeAsync(6_500);
    expect(warnings).toEqual([
      "the registration cannot be renewed: silence",
      "the registration is renewed again",
    ]);
    agent.answers = false;
    await lease.release();
    expect(warnings.at(-1)).toContain("ends by itself");
  });
});
