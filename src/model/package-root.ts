/** Where the package lies: its SQL files and its compiled programs are found from here. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppError } from './errors.ts';

/**
 * The directory with our package.json, both from `src/` (tests) and from `dist/src/`.
 *
 * @throws {AppError} `INTERNAL` when the package is not laid out as published.
 */
export function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) {
    const parent = dirname(directory);
    if (parent === directory) throw new AppError('INTERNAL', 'the package has no package.json above its code');
    directory = parent;
  }
  return directory;
}

/** The directory of the SQL files of one engine: `sql/postgres`, `sql/clickhouse`, `sql/kpi`. */
export function sqlDirectory(engine: 'postgres' | 'clickhouse' | 'kpi'): string {
  return join(packageRoot(), 'sql', engine);
}
