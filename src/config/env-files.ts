import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readEnvText } from './env-text.js';
import { fileErrorText, isFileError } from './file-error.js';
import type { Report } from './variable.js';

/** One source of variables. */
export interface Layer {
  /** Name of the file; null for the real environment. */
  readonly file: string | null;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

const ENVIRONMENTS = ['development', 'test', 'production'];

function fileLayer(directory: string, file: string, report: Report): Layer {
  try {
    const { variables, brokenLines } = readEnvText(readFileSync(join(directory, file), 'utf8'));
    for (const line of brokenLines)
      report(`${file}: line ${line} is neither NAME=value nor a comment; allowed: NAME=value, # comment`);
    return { file, variables };
  } catch (error) {
    if (!isFileError(error, 'ENOENT'))
      report(`${file}: cannot be read: ${fileErrorText(error)}; allowed: a readable file, or none`);
    return { file, variables: {} };
  }
}

/**
 * The sources of the settings, the weakest first: `.env`, `.env.<NODE_ENV>`, the real environment.
 * @param report takes whole problem lines
 */
export function readLayers(
  environment: Readonly<Record<string, string | undefined>>,
  directory: string,
  report: Report,
): readonly Layer[] {
  const common = fileLayer(directory, '.env', report);
  const real: Layer = { file: null, variables: environment };
  const name = (environment.NODE_ENV ?? common.variables.NODE_ENV ?? 'development').trim();
  // Anything else is a problem that the schema reports, and must not become a path.
  if (!ENVIRONMENTS.includes(name)) return [common, real];
  const special = fileLayer(directory, `.env.${name}`, report);
  const own = special.variables.NODE_ENV?.trim();
  if (own !== undefined && own !== name)
    report(`NODE_ENV (.env.${name}): contradicts the name of its file; allowed: ${name}, or leave it out`);
  return [common, { ...special, variables: { ...special.variables, NODE_ENV: undefined } }, real];
}
