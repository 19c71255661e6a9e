/** What an identity file says, as plain data for display. Private keys never leave this module. */

import { statSync } from "node:fs";
import { join } from "node:path";
import { GrapevineError } from "../../core/errors.ts";
import { type Certificate, readCertificate } from "../../core/trust/certificate.ts";
import { isRecord } from "../../core/trust/fields.ts";
import { AUTHORITY_FILE } from "./authority.ts";
import { readBundle } from "./bundle.ts";
import { invalid, parseIdentityFile, readSecretFile } from "./files.ts";
import { isSealed } from "./sealed-key.ts";

const REMEDY = "give a bundle, a certificate, or an authority's folder";

export type Inspection =
  | {
      readonly kind: "identity";
      readonly id: string;
      readonly trustDomain: string;
      readonly roots: readonly string[];
      readonly certificate: Certificate;
      readonly warnings: readonly string[];
    }
  | { readonly kind: "certificate"; readonly certificate: Certificate }
  | {
      readonly kind: "authority";
      readonly id: string;
      readonly trustDomain: string;
      readonly createdAt: string;
      readonly encrypted: boolean;
      readonly warnings: readonly string[];
    };

/** Reads a bundle, a bare certificate, an authority's file or its folder. */
export function inspectFile(path: string): Inspection {
  const file = isFolder(path) ? join(path, AUTHORITY_FILE) : path;
  const { bytes, warning } = readSecretFile(file, REMEDY);
  const bare = readCertificate(bytes);
  if (bare !== undefined) return { kind: "certificate", certificate: bare };
  if (kindOf(bytes) === "identity") {
    const { signer, trustDomain, roots, certificate, warnings } = readBundle(file);
    const read = readCertificate(certificate);
    if (read === undefined) throw invalid(file, "its certificate is malformed", REMEDY);
    return { kind: "identity", id: signer.id, trustDomain, roots, certificate: read, warnings };
  }
  const document = parseIdentityFile(file, bytes, "authority", REMEDY);
  return {
    kind: "authority",
    id: String(document["id"]),
    trustDomain: String(document["trustDomain"]),
    createdAt: String(document["createdAt"]),
    encrypted: isSealed(document["key"]),
    warnings: warning === undefined ? [] : [warning],
  };
}

function kindOf(bytes: Buffer): unknown {
  try {
    const document: unknown = JSON.parse(bytes.toString("utf8"));
    return isRecord(document) ? document["grapevine"] : undefined;
  } catch {
    return undefined;
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (cause) {
    throw new GrapevineError("identity_missing", `${path} does not exist; ${REMEDY}`, { cause });
  }
}
