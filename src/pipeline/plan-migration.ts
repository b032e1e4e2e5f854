/**
 * What a migration of the source would do to the copy: it is run in a transaction that is rolled back, and a start is
 * rehearsed in it. What a start would do without the migration is not laid at its door.
 */
import { rehearseSource } from '../source/rehearsal.ts';
import { readTableSizes, type TableSize } from '../source/survey.ts';
import { type TrialLimits, tryMigration } from '../source/try-migration.ts';
import type { Copy } from './copy.ts';
import type { PipelineOptions } from './options.ts';
import { type PlannedTable, planOn, planStart } from './plan.ts';

/** What becomes of one table. */
export interface MigrationEffect extends PlannedTable {
  /** How much of it is read again, about; null: nothing. */
  readonly toRead: TableSize | null;
}

/** What a migration would do. */
export interface MigrationPlan {
  readonly tables: readonly MigrationEffect[];
  /** For PostgreSQL: how the publication would change. */
  readonly postgres: readonly string[];
}

/**
 * Runs the migration, and tells what a start would do then. Never commits.
 *
 * @throws {AppError} `TRIAL_FAILED`, and what a start would throw.
 */
export async function planMigration(
  copy: Copy,
  options: PipelineOptions,
  migration: TrialLimits & { readonly script: string },
): Promise<MigrationPlan> {
  const before = await planStart(copy, options);
  await using source = await rehearseSource(options.postgresUrl, options);
  await tryMigration(source, migration.script, migration);
  const after = await planOn(source, copy, options);
  const sizes = await readTableSizes(source.client);
  const pending = new Set(before.tables.map(effectOf));
  const tables = after.tables.filter((table) => !pending.has(effectOf(table)));
  return {
    tables: tables.map((table) => ({ ...table, toRead: isRead(table) ? (sizes.get(table.table) ?? null) : null })),
    postgres: after.postgres.filter((sql) => !before.postgres.includes(sql)),
  };
}

function effectOf({ table, fate, columns, statements }: PlannedTable): string {
  // Positions in the source's log differ from one rehearsal to the next.
  return JSON.stringify([table, fate, columns, statements]).replaceAll(/[0-9A-F]+\/[0-9A-F]+/g, '');
}

function isRead({ fate }: PlannedTable): boolean {
  return fate === 'loaded' || fate === 'rebuilt' || fate === 'reloaded';
}
