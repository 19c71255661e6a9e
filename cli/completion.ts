/**
 * Shell completion. The scripts know nothing: they hand the words typed so far to the hidden command
 * `__complete`, which reads the same declarations as parsing does and asks the running agent for
 * live names. A line of its answer is one candidate; the line ":file" asks for file names.
 */
import { findSocket } from "../agent/config/paths.ts";
import { DEFAULT_NAMESPACE } from "../core/names.ts";
import { AgentClient } from "./client.ts";
import { type Command, type Completion, type Flag, flagsOf } from "./command.ts";
import { loadCommands } from "./registry.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

/** A slow agent must not make typing slow. */
const NAMES_TIMEOUT_MS = 500;
const FILES = ":file";

export function isShell(text: string): text is Shell {
  return SHELLS.some((shell) => shell === text);
}

/** Candidates for the last of the words behind `grapevine`, which may be empty or half typed. */
export async function candidates(
  words: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly string[]> {
  // bash makes a word of its own of the "=" in --flag=value.
  const typed = words.slice(0, -1).filter((text) => text !== "=");
  const last = words.at(-1) ?? "";
  const word = last === "=" ? "" : last;
  if (typed.includes("--")) return [FILES];
  const commands = await loadCommands();
  const command = commands.find(({ path }) => path.every((part, at) => typed[at] === part));
  if (command === undefined) return nextWords(commands, typed, word);
  const args = typed.slice(command.path.length);
  const flags = flagsOf(command);
  const pending = flagOf(flags, args.at(-1) ?? "");
  const ask = (what: Completion | undefined) => complete(what, word, command, args, env);
  if (pending !== undefined && pending.kind !== "switch") return await ask(pending.complete);
  if (word.startsWith("-")) {
    const used = new Set(args);
    const offered = flags.filter(({ name, kind }) => kind === "many" || !used.has(`--${name}`));
    return matching(
      offered.map(({ name }) => `--${name}`),
      word,
    );
  }
  const positional = command.positionals[positionalsIn(args, flags).length];
  return positional === undefined ? [] : await ask(positional.complete);
}

function nextWords(commands: readonly Command[], typed: readonly string[], word: string): string[] {
  const next = commands
    .filter(({ path }) => typed.every((part, at) => path[at] === part))
    .map(({ path }) => path[typed.length] ?? "");
  return matching([...new Set(next)], word);
}

async function complete(
  what: Completion | undefined,
  word: string,
  command: Command,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly string[]> {
  if (what === undefined) return [];
  if (what === "file") return [FILES];
  if (typeof what === "object") return matching(what, word);
  const at = args.indexOf("--socket");
  const agent = new AgentClient(findSocket(at < 0 ? undefined : args[at + 1], env));
  const get = async (path: string) =>
    (await agent.request("GET", path, { timeoutMs: NAMES_TIMEOUT_MS })) as readonly Named[];
  if (what === "members")
    return matching(
      (await get("/v1/members")).map(({ name }) => name),
      word,
    );
  const services = await get("/v1/services");
  if (what === "services") return matching(services.map(nameOf), word);
  const [service] = positionalsIn(args, flagsOf(command));
  const instances = services.find((row) => nameOf(row) === service)?.instances ?? [];
  return matching(
    instances.map(({ id }) => id),
    word,
  );
}

interface Named {
  readonly namespace: string;
  readonly name: string;
  readonly instances?: readonly { readonly id: string }[];
}

function nameOf({ namespace, name }: Named): string {
  return namespace === DEFAULT_NAMESPACE ? name : `${namespace}/${name}`;
}

function flagOf(flags: readonly Flag[], word: string): Flag | undefined {
  return flags.find(({ name, short }) => word === `--${name}` || word === `-${short}`);
}

function positionalsIn(args: readonly string[], flags: readonly Flag[]): readonly string[] {
  return args.filter((word, at) => {
    const before = flagOf(flags, args[at - 1] ?? "");
    return !word.startsWith("-") && (before === undefined || before.kind === "switch");
  });
}

function matching(words: readonly string[], start: string): string[] {
  return words.filter((word) => word.startsWith(start)).sort();
}

export function shellScript(shell: Shell): string {
  return SCRIPTS[shell];
}

const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# bash completion for grapevine: eval "$(grapevine completion bash)"
_grapevine() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" line
  COMPREPLY=()
  local words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  while IFS= read -r line; do
    if [[ "$line" == ":file" ]]; then
      compopt -o default
      return
    fi
    COMPREPLY+=("$line")
  done < <("\${COMP_WORDS[0]}" __complete "\${words[@]}" 2>/dev/null)
}
complete -F _grapevine grapevine
`,
  zsh: `#compdef grapevine
# zsh completion for grapevine: source <(grapevine completion zsh)
_grapevine() {
  local -a found
  found=("\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "\${found[1]}" == ":file" ]]; then
    _files
  else
    compadd -- \${found}
  fi
}
if [[ "\${funcstack[1]}" == "_grapevine" ]]; then
  _grapevine "$@"
else
  compdef _grapevine grapevine
fi
`,
  fish: `# fish completion for grapevine: grapevine completion fish | source
function __grapevine_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found ($words[1] __complete $words[2..-1] 2>/dev/null)
    if test "$found[1]" = ":file"
        __fish_complete_path (commandline -ct)
    else
        printf '%s\\n' $found
    end
end
complete -c grapevine -f -a '(__grapevine_complete)'
`,
};
