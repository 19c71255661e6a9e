/**
 * The passphrase of an authority: from GRAPEVINE_CA_PASSPHRASE, or from a person who is asked
 * without an echo. Undefined means that there is none.
 */
import { GrapevineError } from "../core/errors.ts";
import type { Terminal } from "./terminal.ts";

const VARIABLE = "GRAPEVINE_CA_PASSPHRASE";

/** For a new authority: asked twice. Without a terminal and a variable there is none. */
export async function newPassphrase(terminal: Terminal): Promise<string | undefined> {
  const given = terminal.env[VARIABLE];
  if (given !== undefined || !terminal.interactive) return given === "" ? undefined : given;
  const first = await ask(terminal, "passphrase for the new authority (empty for none): ");
  if (first === "") return undefined;
  const second = await ask(terminal, "the same again: ");
  if (first === second) return first;
  throw new GrapevineError("invalid_argument", "the two passphrases differ; nothing was made");
}

/** For an authority that exists: asked only if its key is encrypted. */
export async function knownPassphrase(
  terminal: Terminal,
  dir: string,
): Promise<string | undefined> {
  const given = terminal.env[VARIABLE];
  if (given !== undefined && given !== "") return given;
  if (!terminal.interactive) return undefined;
  const { inspectFile } = await import("../transport/identity/inspect.ts");
  const authority = inspectFile(dir);
  if (authority.kind !== "authority" || !authority.encrypted) return undefined;
  return await ask(terminal, `passphrase of ${dir}: `);
}

async function ask(terminal: Terminal, question: string): Promise<string> {
  const answer = await terminal.askSecret(question);
  if (answer !== undefined) return answer;
  throw new GrapevineError("invalid_argument", "no passphrase was given; nothing was done");
}
