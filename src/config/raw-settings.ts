import type { Layer } from './env-files.js';

/** A variable as it was written. */
export interface RawSetting {
  /** Without white space around it; empty counts as unset. */
  readonly text: string;
  /** Where it was written; null for the real environment. */
  readonly file: string | null;
}

export type RawSettings = ReadonlyMap<string, RawSetting>;

/** The strongest source of each variable. One that is empty there hides the weaker ones. */
export function rawSettings(layers: readonly Layer[], names: readonly string[]): RawSettings {
  const settings = new Map<string, RawSetting>();
  for (const { file, variables } of layers)
    for (const name of names) {
      const text = variables[name]?.trim();
      if (text !== undefined) settings.set(name, { text, file });
    }
  return settings;
}

/** Why a text cannot be meant as it stands, whatever its variable allows; null when it can. */
export function textProblem(name: string, text: string): string | null {
  if (name === 'NODE_ENV' && text === '')
    return 'is empty, which would quietly mean development; allowed: development, test, production';
  if (/\p{Cc}/u.test(text)) return 'has a line break or another control character; allowed: one line of text';
  if (/^["'`]/.test(text)) return 'starts with a quote that nothing takes off; allowed: the value without it';
  return null;
}
