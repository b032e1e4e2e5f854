/**
 * Reads the configuration file: YAML, or a module of TypeScript or JavaScript whose default export has the same keys.
 * What it finds is told with its place; load.ts checks it.
 */
import { access, readFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Document, LineCounter, Node } from 'yaml';
import type { RulePath } from './check-tables.ts';
import { nearest } from './nearest.ts';
import { OPTION_NAMES, type OptionName } from './options.ts';

/** A value, and the place it was written at. */
export interface Given {
  readonly name: OptionName;
  readonly value: unknown;
  /** `millrace.yaml:3:7`, `MILLRACE_SLOT` or `--slot`. */
  readonly origin: string;
}

/** The value of `tables`, and where each part of it was written. */
export interface GivenTables {
  readonly value: unknown;
  placeOf(path: RulePath): string;
}

/** What a file says. */
export interface FileReading {
  readonly given: readonly Given[];
  readonly tables: GivenTables | null;
  readonly mistakes: readonly string[];
}

/** Names that are looked for when none is given. */
const DEFAULT_FILES = [
  'millrace.yaml',
  'millrace.config.ts',
  'millrace.config.mts',
  'millrace.config.mjs',
  'millrace.config.js',
];
const MODULES = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs']);
const NOTHING: FileReading = { given: [], tables: null, mistakes: [] };

/** Keys that a file may have: options and `tables`. */
const FILE_KEYS: readonly string[] = [...OPTION_NAMES, 'tables'];

/**
 * Reads the file of that name, or the one in the directory that has a usual name.
 *
 * @param named undefined: the usual ones; that there is none is no mistake then.
 */
export async function readConfigFile(cwd: string, named: string | undefined): Promise<FileReading> {
  const path = named ?? (await findFile(cwd));
  if (path === null) return NOTHING;
  if (typeof path !== 'string')
    return mistaken(`${path.join(' and ')} are both there: keep one, or name one by --config`);
  const file = resolve(cwd, path);
  if (MODULES.has(extname(path))) return await readModule(file, path);
  try {
    return await readYaml(await readFile(file, 'utf8'), path);
  } catch (error) {
    return mistaken(`${path}: cannot be read: ${(error as Error).message}`);
  }
}

/** The file with a usual name; null when there is none, all of them when there are several. */
async function findFile(cwd: string): Promise<string | readonly string[] | null> {
  const exists = async (name: string): Promise<boolean> => {
    return await access(resolve(cwd, name)).then(
      () => true,
      () => false,
    );
  };
  const there = await Promise.all(DEFAULT_FILES.map(exists));
  const found = DEFAULT_FILES.filter((_, i) => there[i]);
  return found.length > 1 ? found : (found[0] ?? null);
}

function mistaken(...mistakes: string[]): FileReading {
  return { ...NOTHING, mistakes };
}

async function readModule(file: string, path: string): Promise<FileReading> {
  let exported: { readonly default?: unknown };
  try {
    exported = (await import(pathToFileURL(file).href)) as typeof exported;
  } catch (error) {
    return mistaken(`${path}: cannot be read: ${moduleProblem(error, path)}`);
  }
  const { default: config } = exported;
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    return mistaken(`${path}: expected export default defineConfig({ … })`);
  }
  const entries = Object.entries(config).filter(([, value]) => value !== undefined);
  return sorted(entries, { path, origin: () => path, placeOf: () => path });
}

function moduleProblem(error: unknown, path: string): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const isTypeScript = /\.[mc]?ts$/.test(path);
  if (!isTypeScript || code !== 'ERR_UNKNOWN_FILE_EXTENSION') return message;
  return `Node ${process.versions.node} does not read TypeScript: use Node 22.18 or newer, or write ${path.replace(/\.([mc]?)ts$/, '.mjs')}`;
}

async function readYaml(text: string, path: string): Promise<FileReading> {
  const { isMap, isScalar, LineCounter: Lines, parseDocument } = await import('yaml');
  const lines = new Lines();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const syntax = document.errors.map((error) => `${path}:${place(lines, error.pos[0])}: ${error.message}`);
  if (syntax.length > 0) return mistaken(...syntax);
  const { contents } = document;
  if (contents === null) return NOTHING;
  if (!isMap(contents)) return mistaken(`${path}:1:1: expected “key: value” lines`);
  const keys = contents.items.map(({ key }) => (isScalar(key) ? String(key.value) : String(key)));
  const entries = contents.items.map(({ value }, i): [string, unknown] => [keys[i] ?? '', plain(value)]);
  const finder = await nodeFinder();
  return sorted(entries, {
    path,
    origin: (i) => `${path}:${place(lines, (contents.items[i]?.key as Node | null)?.range?.[0])}`,
    placeOf: (at) => `${path}:${place(lines, finder(document, ['tables', ...at]))}`,
  });
}

/** Options, tables and what is neither. */
function sorted(
  entries: readonly (readonly [string, unknown])[],
  source: { path: string; origin: (i: number) => string; placeOf: (path: RulePath) => string },
): FileReading {
  const given: Given[] = [];
  const mistakes: string[] = [];
  let tables: GivenTables | null = null;
  for (const [i, [key, value]] of entries.entries()) {
    const name = OPTION_NAMES.find((option) => option === key);
    if (name !== undefined) given.push({ name, value, origin: source.origin(i) });
    else if (key === 'tables') tables = { value, placeOf: source.placeOf };
    else mistakes.push(`${source.origin(i)}: no such option: ${key}${nearest(key, FILE_KEYS)}`);
  }
  return { given, tables, mistakes };
}

function plain(node: unknown): unknown {
  return node === null ? null : (node as { toJSON(): unknown }).toJSON();
}

/** Finds the offset of the last part of a path that is there: of its key in a map, of the item in a list. */
async function nodeFinder(): Promise<(document: Document.Parsed, path: RulePath) => number> {
  const { isMap, isScalar, isSeq } = await import('yaml');
  return (document, path) => {
    let node: unknown = document.contents;
    let offset = 0;
    for (const part of path) {
      if (isSeq(node) && typeof part === 'number') {
        node = node.items[part];
        offset = (node as Node | undefined)?.range?.[0] ?? offset;
      } else if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
        offset = (pair?.key as Node | undefined)?.range?.[0] ?? offset;
        node = pair?.value;
      } else break;
    }
    return offset;
  };
}

function place(lines: LineCounter, offset: number | undefined): string {
  const { line, col } = lines.linePos(offset ?? 0);
  return `${line}:${col}`;
}
