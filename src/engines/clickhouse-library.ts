/** The ClickHouse library, from an npm package per platform, and the program of ours that runs it. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { AppError } from '../model/errors.ts';
import { packageRoot } from '../model/package-root.ts';

/** The version that Millrace is tested with. */
const VERSION = '26.7.3-stable.1';

/** The package of each platform; the key is `process.platform` and `process.arch`. */
const PACKAGES: Readonly<Record<string, string>> = {
  'darwin-arm64': '@chdb/lib-darwin-arm64',
  'darwin-x64': '@chdb/lib-darwin-x64',
  'linux-arm64': '@chdb/lib-linux-arm64-gnu',
  'linux-x64': '@chdb/lib-linux-x64-gnu',
};

/** @throws {AppError} `ENGINE_MISSING`, with the package to install. */
export function findClickHouseLibrary(platform = `${process.platform}-${process.arch}`): string {
  const name = PACKAGES[platform];
  if (name === undefined) throw new AppError('ENGINE_MISSING', `there is no embedded ClickHouse for ${platform}`);
  const from = createRequire(import.meta.url);
  for (const needed of ['ffi-rs', name]) {
    if (!isInstalled(from, needed)) {
      const what = needed === name ? `${name}@${VERSION}` : needed;
      throw new AppError('ENGINE_MISSING', `package ${needed} is not installed: npm install ${what}`);
    }
  }
  // macOS may call it by its own suffix.
  const directory = dirname(from.resolve(name));
  const library = ['libchdb.so', 'libchdb.dylib'].map((file) => join(directory, file)).find((path) => existsSync(path));
  if (library === undefined)
    throw new AppError('ENGINE_MISSING', `package ${name} holds no libchdb: npm install ${name}@${VERSION}`);
  return library;
}

/** @throws {AppError} `ENGINE_MISSING` when the package was not built (tests run from the sources). */
export function findClickHouseChild(root = packageRoot()): string {
  const path = join(root, 'dist', 'src', 'engines', 'clickhouse-child.js');
  if (!existsSync(path)) throw new AppError('ENGINE_MISSING', `${path} is missing: npm run build`);
  return path;
}

function isInstalled(from: NodeJS.Require, name: string): boolean {
  try {
    from.resolve(name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return false;
    throw error;
  }
}
