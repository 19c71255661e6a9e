/**
 * What somebody gave, still as text, with the place where it was given: flags, variables and the
 * keys of the YAML file in one form, so that the same rules and messages serve all three.
 */
import { closest } from "../registrations/closest.ts";
import {
  OTHER_VARIABLES,
  SETTING_KEYS,
  SETTINGS,
  type SettingKey,
  variableOf,
} from "./settings.ts";

export interface GivenText {
  readonly text: string;
  /** "--bind", "GRAPEVINE_BIND", "agent.yaml:3:7". */
  readonly place: string;
  /** The folder to which a relative path belongs. */
  readonly folder: string;
}

/** Several texts for settings that take several; one for others; "true" or "false" for switches. */
export type Given = ReadonlyMap<SettingKey, readonly GivenText[]>;

/** Flags by name without dashes, as the command line's parser delivers them. */
export type FlagValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

export function fromFlags(flags: FlagValues, folder: string): Given {
  const given = new Map<SettingKey, GivenText[]>();
  for (const key of SETTING_KEYS) {
    const { flag } = SETTINGS[key];
    const value = flags[flag];
    if (value === undefined) continue;
    const texts = typeof value === "object" ? value : [String(value)];
    given.set(
      key,
      texts.map((text) => ({ text, place: `--${flag}`, folder })),
    );
  }
  return given;
}

/** Variables that are set to nothing count as not set. Lists are separated by commas. */
export function fromVariables(
  env: Readonly<Record<string, string | undefined>>,
  folder: string,
): { readonly given: Given; readonly warnings: readonly string[] } {
  const given = new Map<SettingKey, GivenText[]>();
  const known = new Set(OTHER_VARIABLES);
  for (const key of SETTING_KEYS) {
    const { flag, kind } = SETTINGS[key];
    const place = variableOf(flag);
    known.add(place);
    const value = env[place];
    if (value === undefined || value === "") continue;
    const several = kind === "many" || kind === "pairs";
    const texts = several ? value.split(",").map((text) => text.trim()) : [value];
    given.set(
      key,
      texts.filter((text) => text !== "").map((text) => ({ text, place, folder })),
    );
  }
  const warnings: string[] = [];
  for (const name of Object.keys(env).sort()) {
    if (!name.startsWith("GRAPEVINE_") || known.has(name)) continue;
    const meant = closest(name, [...known]);
    const advice = meant === undefined ? "" : `; did you mean ${meant}?`;
    warnings.push(`the variable ${name} means nothing to Grapevine${advice}`);
  }
  return { given, warnings };
}
