import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type ConfigSource, loadConfig } from "../../../agent/config/load.ts";

const folder = mkdtempSync(join(tmpdir(), "grapevine-config-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const host = { uid: 1000, home: "/home/u", temporary: "/tmp" };
type Input = Partial<Omit<ConfigSource, "host">>;
const load = (input: Input) => loadConfig({ flags: {}, env: {}, folder, host, ...input });
const loadDev = (flags: ConfigSource["flags"] = {}, env: ConfigSource["env"] = {}) =>
  load({ flags: { dev: true, ...flags }, env });

function file(text: string): string {
  const path = join(folder, "agent.yaml");
  writeFileSync(path, text);
  return path;
}

function problem(input: Input): { code: string; message: string } {
  try {
    load(input);
  } catch (error) {
    const { short, message } = error as { short: string; message: string };
    return { code: short, message };
  }
  throw new Error("it was accepted");
}

describe("defaults", () => {
  it("are those of the contract for an agent with an identity", () => {
    const { config, warnings } = load({ flags: { identity: "a.id" } });
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      nameGiven: false,
      dataDir: "/home/u/.local/state/grapevine",
      socket: "/tmp/grapevine-1000/agent.sock",
      bind: { host: "0.0.0.0", port: 7946, movable: false },
      linkBind: { host: "0.0.0.0", port: 7947 },
      httpProxy: { host: "127.0.0.1", port: 15001 },
      admin: { host: "127.0.0.1", port: 15000 },
      dns: { host: "127.0.0.1", port: 15053 },
      vip: undefined,
      cluster: "default",
      egress: "allow",
      drainTimeoutMs: 15_000,
      logLevel: "info",
      enableExecChecks: false,
      trust: { kind: "identity", file: join(folder, "a.id") },
      services: [],
    });
  });

  it("say of settings that have no effect yet that they have none", () => {
    expect(loadDev({ dns: "127.0.0.1:5300" }).warnings).toEqual([
      "--dns: is accepted, but has no effect yet",
    ]);
    expect(loadDev({ dns: "off" }).warnings).toEqual([]);
  });

  it("are loopback addresses that may move with --dev", () => {
    const { config } = loadDev();
    expect(config.bind).toEqual({ host: "127.0.0.1", port: 7946, movable: true });
    expect(config.httpProxy).toEqual({ host: "127.0.0.1", port: 15001, movable: true });
    expect(config.trust).toEqual({ kind: "dev" });
    expect(loadDev({ bind: "127.0.0.1:7" }).config.bind.movable).toBe(false);
  });

  it("of paths follow root, XDG_RUNTIME_DIR and XDG_STATE_HOME", () => {
    const env = { XDG_RUNTIME_DIR: "/run/user/1000", XDG_STATE_HOME: "/state" };
    expect(loadDev({}, env).config).toMatchObject({
      socket: "/run/user/1000/grapevine/agent.sock",
      dataDir: "/state/grapevine",
    });
    const root = loadConfig({ flags: { dev: true }, env: {}, folder, host: { ...host, uid: 0 } });
    expect(root.config).toMatchObject({
      socket: "/run/grapevine/agent.sock",
      dataDir: "/var/lib/grapevine",
    });
  });
});

describe("precedence", () => {
  it("is flag, variable, file", () => {
    const config = file("name: from-file\nzone: from-file\nregion: from-file\n");
    const env = { GRAPEVINE_ZONE: "from-env", GRAPEVINE_REGION: "from-env" };
    const flags = { dev: true, config, region: "from-flag" };
    expect(load({ flags, env }).config).toMatchObject({
      name: "from-file",
      nameGiven: true,
      zone: "from-env",
      region: "from-flag",
    });
  });

  it("lets off in a flag override an address in the file", () => {
    const flags = { dev: true, config: file("admin: 127.0.0.1:9\n"), admin: "off" };
    expect(load({ flags }).config.admin).toBeUndefined();
  });

  it("takes the file from GRAPEVINE_CONFIG, and its paths relative to the file", () => {
    mkdirSync(join(folder, "etc"), { recursive: true });
    writeFileSync(join(folder, "etc/a.yaml"), "identity: keys/a.id\ndataDir: /var/x\n");
    const { config } = load({ env: { GRAPEVINE_CONFIG: "etc/a.yaml" } });
    expect(config.trust).toEqual({ kind: "identity", file: join(folder, "etc/keys/a.id") });
    expect(config.dataDir).toBe("/var/x");
  });

  it("reads lists from repeated flags and from commas in variables", () => {
    const twice = { join: ["127.0.0.1:1", "[::1]:2", "127.0.0.1:1"], label: ["a=1", "b=2"] };
    expect(loadDev(twice).config).toMatchObject({
      join: ["127.0.0.1:1", "[::1]:2"],
      labels: { a: "1", b: "2" },
    });
    const env = { GRAPEVINE_JOIN: "127.0.0.1:1, localhost:2", GRAPEVINE_DEV: "true" };
    expect(load({ env }).config.join).toEqual(["127.0.0.1:1", "localhost:2"]);
  });

  it("reads the same again from its own source", () => {
    const flags = { dev: true, config: file("zone: one\n") };
    const { config } = load({ flags });
    file("zone: two\n");
    expect(loadConfig(config.source).config.zone).toBe("two");
  });
});

describe("mistakes", () => {
  it("name the flag", () => {
    const { code, message } = problem({ flags: { dev: true, "drain-timeout": "15" } });
    expect(code).toBe("config_invalid");
    expect(message).toContain(
      '--drain-timeout: expects a duration such as 250ms, 15s or 1h, not "15"',
    );
  });

  it("name the variable", () => {
    const { message } = problem({ env: { GRAPEVINE_DEV: "1", GRAPEVINE_EGRESS: "no" } });
    expect(message).toContain("GRAPEVINE_EGRESS: expects allow or deny");
  });

  it("are all reported at once", () => {
    const config = file("bind: nowhere\nzone: 'a b'\n");
    const { message } = problem({ flags: { dev: true, config, cluster: "A" } });
    expect(message).toContain(`${config}:1:7: bind: expects HOST:PORT`);
    expect(message).toContain(`${config}:2:7: zone: expects 1 to 63 letters`);
    expect(message).toContain("--cluster: expects a DNS label");
  });

  it("in the name of a variable are warnings, with what was meant", () => {
    const { warnings } = loadDev({}, { GRAPEVINE_ZNOE: "x", GRAPEVINE_CA_PASSPHRASE: "y" });
    expect(warnings).toEqual([
      "the variable GRAPEVINE_ZNOE means nothing to Grapevine; did you mean GRAPEVINE_ZONE?",
    ]);
  });

  it("include a file that is not there", () => {
    const { code, message } = problem({ flags: { dev: true, config: "none.yaml" } });
    expect(code).toBe("config_invalid");
    expect(message).toContain("none.yaml: there is no such file");
  });

  it("include a socket path that no system takes", () => {
    const { message } = problem({ flags: { dev: true, socket: `/tmp/${"x".repeat(120)}` } });
    expect(message).toMatch(/--socket: .* is 125 bytes long; the system's limit/);
  });
});

describe("labels", () => {
  it("that no document could hold are refused before the agent starts", () => {
    const label = Array.from({ length: 33 }, (_, at) => `key-${at}=value`);
    const { code, message } = problem({ flags: { dev: true, label } });
    expect(code).toBe("config_invalid");
    expect(message).toContain("--label: an agent may have 32 labels, not 33");
  });
});

describe("identity", () => {
  it("missing says how to get one", () => {
    const { code, message } = problem({});
    expect(code).toBe("identity_missing");
    expect(message).toContain("grapevine ca init");
    expect(message).toContain("--dev");
  });

  it("and --dev exclude each other", () => {
    const { message } = problem({ flags: { dev: true, identity: "a.id" } });
    expect(message).toContain("--dev and --identity exclude each other");
  });

  it.each(["bind", "advertise", "link-bind", "link-advertise", "http-proxy", "admin", "dns"])(
    "of development refuses a --%s that others could reach",
    (flag) => {
      const { code, message } = problem({ flags: { dev: true, [flag]: "10.0.0.1:7000" } });
      expect(code).toBe("config_invalid");
      expect(message).toContain(`--${flag}: 10.0.0.1:7000 is not a loopback address`);
    },
  );

  it("of development refuses to join anything but this host", () => {
    const { message } = problem({ flags: { dev: true, join: ["seed.example:7946"] } });
    expect(message).toContain("--join: seed.example:7946 is not a loopback address");
  });
});
