/**
 * Reads the configuration: defaults < file < environment < flags.
 *
 *   millrace.yaml ─┐   (or millrace.config.ts)
 *   MILLRACE_…   ──┼─► given values, each with its origin ─► checked one by one ─► Config
 *   --flags      ──┘
 *
 * Every value that was given is checked, also one that a stronger source replaces, and all
 * mistakes are told at once, each with its place. Values are never repeated in a message: they may be secrets.
 */
import { resolve } from 'node:path';
import { AppError } from '../model/errors.ts';
import { checkTables, pathText } from './check-tables.ts';
import { type Given, type GivenTables, readConfigFile } from './file.ts';
import { type Config, environmentName, flagName, OPTION_NAMES, OPTIONS, type OptionValues } from './options.ts';
import type { GivenRule } from './table-keys.ts';
import { nearest } from './nearest.ts';
import { checkValue } from './values.ts';

/** Where a configuration comes from. */
export interface ConfigSources {
  /** Values of flags by option name; other keys are not looked at. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Directory that relative paths mean; `millrace.yaml` is looked for here. */
  readonly cwd: string;
  /** The file named by `--config`; it must exist then. */
  readonly file?: string | undefined;
}

interface Reading {
  readonly given: readonly Given[];
  readonly mistakes: readonly string[];
}

/** Variables with our prefix that are no options: the file's path, and what tests and benchmarks use. */
const OTHER_VARIABLES = /^MILLRACE_(CONFIG$|TEST_|BENCH_|FAIL_)/;

/**
 * Reads and checks all sources.
 *
 * @throws {AppError} `CONFIG_INVALID` with one line per mistake.
 */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  // From weak to strong: a later value replaces an earlier one.
  const file = await readConfigFile(sources.cwd, sources.file ?? (sources.env['MILLRACE_CONFIG'] || undefined));
  const readings: Reading[] = [file, readEnvironment(sources.env), readFlags(sources.flags)];
  const mistakes = readings.flatMap((reading) => reading.mistakes);
  const values: Record<string, unknown> = {};
  for (const name of OPTION_NAMES) values[name] = OPTIONS[name].default;
  for (const { name, value, origin } of readings.flatMap((reading) => reading.given)) {
    const checked = checkValue(name, value);
    if ('problem' in checked) mistakes.push(`${origin}: ${name}: ${checked.problem}`);
    else values[name] = checked.value;
  }
  // Every key of the table was set above, from its default or from a value of its own schema.
  const options = { ...values, dataDir: resolve(sources.cwd, String(values['dataDir'])) } as unknown as OptionValues;
  const tables = file.tables === null ? [] : readTables(file.tables, options, mistakes);
  if (mistakes.length > 0) {
    const text = mistakes.map((mistake) => `\n  ${mistake}`).join('');
    throw new AppError('CONFIG_INVALID', `the configuration is not valid:${text}`, { details: { mistakes } });
  }
  return { ...options, tables };
}

/** The rules; what is wrong with them is added to the mistakes. */
function readTables(given: GivenTables, options: OptionValues, mistakes: string[]): readonly GivenRule[] {
  const { rules, mistakes: found } = checkTables(given.value);
  mistakes.push(...found.map(({ path, problem }) => `${given.placeOf(path)}: ${pathText(path)}: ${problem}`));
  for (const [i, rule] of rules.entries()) {
    for (const [column, { mask }] of Object.entries(rule.columns ?? {})) {
      if (mask !== 'hash' || options.maskSalt !== null) continue;
      const path = [i, 'columns', column, 'mask'];
      mistakes.push(`${given.placeOf(path)}: ${pathText(path)}: hash needs a secret: give maskSalt`);
    }
  }
  return rules;
}

function readFlags(flags: ConfigSources['flags']): Reading {
  const given = OPTION_NAMES.filter((name) => flags[name] !== undefined).map((name) => ({
    name,
    value: flags[name],
    origin: flagName(name),
  }));
  return { given, mistakes: [] };
}

function readEnvironment(env: ConfigSources['env']): Reading {
  const names = new Map(OPTION_NAMES.map((name) => [environmentName(name), name]));
  const given: Given[] = [];
  const mistakes: string[] = [];
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith('MILLRACE_') || value === undefined) continue;
    const name = names.get(variable);
    // An empty variable is how compose files and shells say “not set”.
    if (name !== undefined && value !== '') given.push({ name, value, origin: variable });
    if (name === undefined && !OTHER_VARIABLES.test(variable)) {
      mistakes.push(`${variable}: no such option${nearest(variable, [...names.keys()])}`);
    }
  }
  return { given, mistakes };
}
