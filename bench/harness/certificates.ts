/** A throw-away authority and the two certificates with which a pair of proxies knows each other. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Names in the certificates; the dialling side checks that of the other. */
const FRONT_NAME = "front.bench.test";
export const BACK_NAME = "back.bench.test";

/** Writes ca.pem and for each side SIDE.crt, SIDE.key and SIDE.pem (both in one, for HAProxy). */
export function createCertificates(directory: string): void {
  const openssl = (...args: readonly string[]) =>
    execFileSync("openssl", args, { cwd: directory, stdio: "pipe" });
  const newKey = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];
  openssl(
    ...newKey,
    ...["-x509", "-days", "2", "-subj", "/CN=bench authority"],
    ...["-keyout", "ca.key", "-out", "ca.pem"],
  );
  for (const [side, name] of [
    ["front", FRONT_NAME],
    ["back", BACK_NAME],
  ] as const) {
    openssl(...newKey, "-subj", `/CN=${name}`, "-keyout", `${side}.key`, "-out", `${side}.csr`);
    const extensions = join(directory, `${side}.ext`);
    writeFileSync(extensions, `subjectAltName=DNS:${name}\n`);
    openssl(
      ...["x509", "-req", "-days", "2", "-in", `${side}.csr`, "-extfile", extensions],
      ...["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", `${side}.crt`],
    );
    const both = ["crt", "key"].map((kind) => readFileSync(join(directory, `${side}.${kind}`)));
    writeFileSync(join(directory, `${side}.pem`), Buffer.concat(both));
  }
}
