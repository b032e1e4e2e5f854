/**
 * What the next start would make or change, without doing it: from the functions that a start itself uses, so that
 * both say the same. Columns of mirrors that are there are looked at, not altered here: their difference is told.
 */
import { copiedTables } from '../config/table-rules.ts';
import { createTableStatements } from '../destination/ddl.ts';
import { findMirrors, mirrorComment, type MirrorShape, readMirrorShapes } from '../destination/mirrors.ts';
import { isFollowed } from '../destination/table-state.ts';
import { NO_LSN } from '../model/lsn.ts';
import { hasOtherRule, ruleDigest } from '../model/rule-digest.ts';
import { tableLabel } from '../model/table.ts';
import { readCatalog } from '../source/catalog.ts';
import { connectPostgres, endConnection } from '../source/connection.ts';
import { planPublication } from '../source/publication.ts';
import { withoutFilterFaults } from '../source/row-filter.ts';
import { inspectSlot } from '../source/slot.ts';
import type { Copy } from './copy.ts';
import { addedTables, readKnownTables, shapeFault } from './known-tables.ts';
import { isInPlace, type TableLayout } from './layout.ts';
import type { PipelineOptions } from './options.ts';
import { layoutsOf } from './prepare.ts';

/** What would happen to one table. */
export interface PlannedTable {
  /** `schema.table` of the source. */
  readonly table: string;
  /** In words. */
  readonly what: string;
}

/** What a start would do. */
export interface StartPlan {
  /** Statements for PostgreSQL. */
  readonly postgres: readonly string[];
  /** Statements for ClickHouse. */
  readonly clickhouse: readonly string[];
  readonly tables: readonly PlannedTable[];
  /** Whether the slot is made: from then on the source keeps WAL. */
  readonly makesSlot: boolean;
}

/** Looks at both servers. Changes nothing. @throws {AppError} `CONFIG_INVALID`, and those of the servers. */
export async function planStart(copy: Copy, options: PipelineOptions): Promise<StartPlan> {
  const client = await connectPostgres(options.postgresUrl, {
    applicationName: 'millrace plan',
    signal: options.signal,
  });
  try {
    const known = await readKnownTables(copy);
    const read = await readCatalog(client, { ...copiedTables(options), also: addedTables(known) });
    const catalog = await withoutFilterFaults(client, read);
    const wanted = catalog.tables.filter((table) =>
      isFollowed(known.states.get(tableLabel(table))?.phase ?? 'waiting'),
    );
    const { layouts, adSchema } = layoutsOf(wanted, known);
    const mirrors = await findMirrors(copy.clickhouse, copy.names);
    const absent = layouts.filter((layout) => !isInPlace(layout) && !mirrors.read.has(layout.table.target));
    const tables: PlannedTable[] = catalog.unsuitable.map((table) => ({
      table: tableLabel(table),
      what: `is left out: it ${table.reason}`,
    }));
    const targets = layouts.map(({ table }) => table.target);
    const shapes = await readMirrorShapes(copy.clickhouse, copy.names, targets);
    for (const layout of layouts) {
      const state = known.states.get(tableLabel(layout.table));
      const what = fateOf(layout, { state, mirror: shapes.get(layout.table.target), adSchema });
      if (what !== null) tables.push({ table: tableLabel(layout.table), what });
    }
    return {
      postgres: (await planPublication(client, options.publication, wanted)).statements,
      clickhouse: absent.flatMap(({ table, codecs }) => {
        const comment = mirrorComment({ oid: table.oid, build: NO_LSN });
        return createTableStatements(copy.names, table, codecs, { building: false, comment });
      }),
      tables: tables.toSorted((a, b) => (a.table < b.table ? -1 : 1)),
      makesSlot: (await inspectSlot(client, options.slot)) === null,
    };
  } finally {
    await endConnection(client);
  }
}

/** What happens to a table that can be copied; null: nothing. */
function fateOf(
  layout: TableLayout,
  found: { state: { readonly rule: string } | undefined; mirror: MirrorShape | undefined; adSchema: boolean },
): string | null {
  const { state, mirror, adSchema } = found;
  if (state === undefined) return isInPlace(layout) ? 'is loaded, into the tables of the ad schema' : 'is loaded';
  if (hasOtherRule(state.rule, ruleDigest(layout.table))) return 'is copied anew: the rules for it have changed';
  const fault = shapeFault(mirror, layout, adSchema);
  return fault === null ? null : `has other columns than its copy: ${fault}`;
}
