/**
 * Migration files named as Flyway names them: `V1__create_schema.sql` runs once, `R__views.sql` whenever it changes.
 *
 * @see https://documentation.red-gate.com/fd/versioned-migrations-273973333.html
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { AppError } from './errors.ts';

/** One migration file. */
export interface MigrationFile {
  /** The file's name, by which histories know it. */
  readonly script: string;
  /** `1.2` of `V1_2__…`; null for a repeatable file. */
  readonly version: string | null;
  /** The words after `__`, with spaces. */
  readonly description: string;
  /** The content, placeholders and all. */
  readonly text: string;
}

const VERSIONED = /^V(\d+(?:[._]\d+)*)__(.+)\.sql$/;
const REPEATABLE = /^R__(.+)\.sql$/;
const PLACEHOLDER = /\$\{([A-Za-z_][\w.]*)\}/g;

/**
 * Reads a directory of migrations: versioned ones by version, then repeatable ones by description.
 *
 * @throws {AppError} `MIGRATION_FAILED` for a `.sql` file named otherwise, or two files of one version.
 */
export async function readMigrations(directory: string): Promise<MigrationFile[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql'));
  const files = await Promise.all(
    names.map(async (name) => parseMigration(name, await readFile(join(directory, name), 'utf8'))),
  );
  files.sort(compareMigrations);
  for (const [index, file] of files.entries()) {
    const next = files[index + 1];
    if (next !== undefined && file.version !== null && compareMigrations(file, next) === 0) {
      throw new AppError('MIGRATION_FAILED', `${file.script} and ${next.script} have the same version`);
    }
  }
  return files;
}

/**
 * Reads a directory of which every `.sql` file is repeatable, in the order of names.
 *
 * @param prefix Of the names by which histories know them: `kpi/`.
 */
export async function readRepeatable(directory: string, prefix: string): Promise<MigrationFile[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).toSorted();
  return await Promise.all(
    names.map(async (name) => ({
      script: `${prefix}${name}`,
      version: null,
      description: name.slice(0, -'.sql'.length).replaceAll('_', ' '),
      text: await readFile(join(directory, name), 'utf8'),
    })),
  );
}

/** @throws {AppError} `MIGRATION_FAILED` for a name of another form. */
export function parseMigration(script: string, text: string): MigrationFile {
  const [, version, versioned] = VERSIONED.exec(script) ?? [];
  const [, repeatable] = REPEATABLE.exec(script) ?? [];
  const description = versioned ?? repeatable;
  if (description === undefined) {
    throw new AppError(
      'MIGRATION_FAILED',
      `${script} is named neither V<version>__<description>.sql nor R__<description>.sql`,
    );
  }
  return {
    script,
    version: version?.replaceAll('_', '.') ?? null,
    description: description.replaceAll('_', ' '),
    text,
  };
}

/** Versions by their numbers (2 before 10), then repeatable files by description. */
export function compareMigrations(a: MigrationFile, b: MigrationFile): number {
  if (a.version !== null && b.version !== null) return compareVersions(a.version, b.version);
  if (a.version === null && b.version === null)
    return a.description < b.description ? -1 : Number(a.description > b.description);
  return a.version === null ? 1 : -1;
}

function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split('.').map(Number), b.split('.').map(Number)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Flyway's checksum: CRC-32 over the lines without their ends or a byte order mark, as a signed 32-bit integer. */
export function flywayChecksum(text: string): number {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/);
  return crc32(lines.join('')) | 0;
}

/**
 * Puts values for `${name}`.
 *
 * @param script The file's name, for the message.
 * @throws {AppError} `MIGRATION_FAILED` for a name without a value.
 */
export function fillPlaceholders(text: string, values: Readonly<Record<string, string>>, script: string): string {
  return text.replaceAll(PLACEHOLDER, (placeholder, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined)
      throw new AppError('MIGRATION_FAILED', `${script}: no value for the placeholder ${placeholder}`);
    return value;
  });
}
