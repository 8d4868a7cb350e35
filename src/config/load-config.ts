import { resolve } from 'node:path';
import type { AppConfig } from './app-config.js';
import { ConfigError } from './config-error.js';
import { debugProblem } from './debug-output.js';
import { readLayers } from './env-files.js';
import { generatedSecret } from './generated-secret.js';
import { rulesOfProduction } from './production-rules.js';
import { rawSettings, textProblem, type RawSettings } from './raw-settings.js';
import { RULES } from './rules.js';
import { environmentSchema, type Values } from './schema.js';
import { toAppConfig } from './to-app-config.js';
import { guardAgainstTypos } from './typo-guard.js';
import { warningsAbout } from './warnings.js';

export { ConfigError } from './config-error.js';

export interface ConfigSource {
  /** The real environment, which wins over the files. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where `.env` and `.env.<NODE_ENV>` are looked for, and what a relative DATA_DIR is relative to. */
  readonly directory: string;
  /** What AUTH_MODE may name. */
  readonly strategyNames: readonly string[];
  /** Takes lines about settings that are allowed but probably not meant. */
  readonly warn?: (line: string) => void;
}

/** Reports a problem of one variable. */
type Fail = (name: string, problem: string) => void;

/**
 * The value of every variable, and the names of those whose text is bad: these have their default, so that the rules
 * about the others can still speak in the same run.
 */
function parse(
  settings: RawSettings,
  schema: ReturnType<typeof environmentSchema>,
  fail: Fail,
): { readonly values: Values; readonly invalid: ReadonlySet<string> } {
  const invalid = new Set<string>();
  const reject: Fail = (name, problem) => {
    invalid.add(name);
    fail(name, problem);
  };
  for (const [name, { text }] of settings) {
    const problem = textProblem(name, text);
    if (problem !== null) reject(name, problem);
  }
  const texts = (): Record<string, string> =>
    Object.fromEntries(
      [...settings].flatMap(([name, { text }]) => (text === '' || invalid.has(name) ? [] : [[name, text]])),
    );
  const result = schema.safeParse(texts());
  for (const { path, message } of result.error?.issues ?? []) reject(String(path[0]), message);
  return { values: result.data ?? schema.parse(texts()), invalid };
}

/**
 * Reads the settings: `.env`, then `.env.<NODE_ENV>`, under the real environment. Outside production it makes and
 * keeps a secret in DATA_DIR when APP_SECRET is unset.
 * @throws ConfigError with all problems at once
 */
export function loadConfig(source: ConfigSource): AppConfig {
  const { environment, directory, strategyNames, warn = () => undefined } = source;
  const problems: string[] = [];
  const report = (line: string): void => void problems.push(line);
  const schema = environmentSchema(strategyNames);
  const names = Object.keys(schema.shape);
  const layers = readLayers(environment, directory, report);
  guardAgainstTypos(layers, names, report, warn);

  const settings = rawSettings(layers, names);
  const fail: Fail = (name, problem) => {
    const file = settings.get(name)?.file ?? null;
    report(`${name}${file === null ? '' : ` (${file})`}: ${problem}`);
  };
  const { values, invalid } = parse(settings, schema, fail);
  for (const rule of [...RULES, ...rulesOfProduction(strategyNames)])
    if (!rule.reads.some((name) => invalid.has(name)))
      rule.problems(values).forEach((problem) => fail(rule.reads[0], problem));
  const debug = values.NODE_ENV === 'production' ? debugProblem(environment['DEBUG']) : null;
  if (debug !== null) fail('DEBUG', debug);

  const mayKeepSecret =
    values.NODE_ENV !== 'production' &&
    !['NODE_ENV', 'APP_SECRET', 'DATA_DIR'].some((name) => invalid.has(name));
  const secrets =
    values.APP_SECRET ??
    (mayKeepSecret
      ? generatedSecret(resolve(directory, values.DATA_DIR), (problem) => fail('DATA_DIR', problem))
      : undefined);
  if (problems.length > 0 || secrets === undefined) throw new ConfigError(problems);
  warningsAbout(values).forEach(warn);
  return toAppConfig(values, secrets, directory);
}
