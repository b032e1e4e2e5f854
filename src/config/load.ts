/**
 * Reads the configuration: defaults < file < environment < flags.
 *
 *   millrace.yaml ─┐
 *   MILLRACE_…   ──┼─► given values, each with its origin ─► checked one by one ─► Config
 *   --flags      ──┘
 *
 * Every value that was given is checked, also one that a stronger source replaces, and all
 * mistakes are told at once, each with its place. Values are never repeated in a message: they may be secrets.
 */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Document, LineCounter } from 'yaml';
import { AppError } from '../model/errors.ts';
import { type Config, environmentName, flagName, OPTION_NAMES, OPTIONS, type OptionName } from './options.ts';
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

/** A value, and the place it was written at. */
interface Given {
  readonly name: OptionName;
  readonly value: unknown;
  /** `millrace.yaml:3:7`, `MILLRACE_SLOT` or `--slot`. */
  readonly origin: string;
}

interface Reading {
  readonly given: Given[];
  readonly mistakes: string[];
}

const DEFAULT_FILE = 'millrace.yaml';

/** Variables with our prefix that are no options: the file's path, and what tests and benchmarks use. */
const OTHER_VARIABLES = /^MILLRACE_(CONFIG$|TEST_|BENCH_|FAIL_)/;

/**
 * Reads and checks all sources.
 *
 * @throws {AppError} `CONFIG_INVALID` with one line per mistake.
 */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  // From weak to strong: a later value replaces an earlier one.
  const readings = [await readFileValues(sources), readEnvironment(sources.env), readFlags(sources.flags)];
  const mistakes = readings.flatMap((reading) => reading.mistakes);
  const values: Record<string, unknown> = {};
  for (const name of OPTION_NAMES) values[name] = OPTIONS[name].default;
  for (const { name, value, origin } of readings.flatMap((reading) => reading.given)) {
    const checked = checkValue(name, value);
    if ('problem' in checked) mistakes.push(`${origin}: ${name}: ${checked.problem}`);
    else values[name] = checked.value;
  }
  if (mistakes.length > 0) {
    const text = mistakes.map((mistake) => `\n  ${mistake}`).join('');
    throw new AppError('CONFIG_INVALID', `the configuration is not valid:${text}`, { details: { mistakes } });
  }
  values['dataDir'] = resolve(sources.cwd, String(values['dataDir']));
  // Every key of the table was set above, from its default or from a value of its own schema.
  return values as Config;
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

async function readFileValues(sources: ConfigSources): Promise<Reading> {
  const named = sources.file ?? (sources.env['MILLRACE_CONFIG'] || undefined);
  const path = named ?? DEFAULT_FILE;
  let text: string;
  try {
    text = await readFile(resolve(sources.cwd, path), 'utf8');
  } catch (error) {
    if (named === undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') return { given: [], mistakes: [] };
    return { given: [], mistakes: [`${path}: cannot be read: ${(error as Error).message}`] };
  }
  return readYaml(text, path);
}

async function readYaml(text: string, path: string): Promise<Reading> {
  const { isMap, isScalar, LineCounter: Lines, parseDocument } = await import('yaml');
  const lines = new Lines();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const syntax = syntaxMistakes(document, lines, path);
  if (syntax.length > 0) return { given: [], mistakes: syntax };
  if (document.contents === null) return { given: [], mistakes: [] };
  if (!isMap(document.contents)) return { given: [], mistakes: [`${path}:1:1: expected “key: value” lines`] };
  const given: Given[] = [];
  const mistakes: string[] = [];
  for (const { key, value } of document.contents.items) {
    const word = isScalar(key) ? String(key.value) : String(key);
    const origin = `${path}:${place(lines, isScalar(key) ? key.range?.[0] : 0)}`;
    const name = OPTION_NAMES.find((option) => option === word);
    if (name === undefined) mistakes.push(`${origin}: no such option: ${word}${nearest(word, OPTION_NAMES)}`);
    else given.push({ name, value: plain(value), origin });
  }
  return { given, mistakes };
}

function plain(node: unknown): unknown {
  return node === null ? null : (node as { toJSON(): unknown }).toJSON();
}

function syntaxMistakes(document: Document.Parsed, lines: LineCounter, path: string): string[] {
  return document.errors.map((error) => `${path}:${place(lines, error.pos[0])}: ${error.message}`);
}

function place(lines: LineCounter, offset: number | undefined): string {
  const { line, col } = lines.linePos(offset ?? 0);
  return `${line}:${col}`;
}
