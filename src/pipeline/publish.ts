/** The publication carries what is followed, and nobody has changed it unseen: its marks are kept in the states. */
import type pg from 'pg';
import { isFollowed, newTableState, type TableState } from '../destination/table-state.ts';
import { AppError } from '../model/errors.ts';
import { pgIdent, pgTable } from '../model/quote.ts';
import { type SourceTable, tableLabel } from '../model/table.ts';
import { ensurePublication, inspectPublication, isPublished } from '../source/publication.ts';
import { publicationMarks } from '../source/relations.ts';
import type { Log } from '../telemetry/log.ts';
import type { Copy } from './copy.ts';

/**
 * Publishes the tables. Where that is somebody else's right, those that are not published are quarantined with what
 * the owner has to say, and the others go on.
 *
 * @param tables All that are to be copied; published are those that are followed.
 */
export async function publish(
  client: pg.Client,
  copy: Copy,
  { publication, tables, log }: { publication: string; tables: readonly SourceTable[]; log: Log },
): Promise<void> {
  const states = await copy.tables.readTables();
  const followed = tables.filter((table) => isFollowed(states.get(tableLabel(table))?.phase ?? 'waiting'));
  const missing = await ensure(client, publication, { tables, followed });
  const marks = await publicationMarks(client, publication);
  const written: TableState[] = [];
  for (const table of followed) {
    const state = states.get(tableLabel(table)) ?? newTableState(table);
    const published = marks.get(table.oid) ?? '';
    if (missing.includes(table)) {
      const sql = `ALTER PUBLICATION ${pgIdent(publication)} ADD TABLE ${pgTable(table)}`;
      const reason = `it is not in the publication, which belongs to another role: ${sql}, then \`millrace resync ${state.table}\``;
      log.warn({ table: state.table, reason }, 'table quarantined');
      written.push({ ...state, phase: 'quarantined', reason });
    } else if (state.published !== published) written.push({ ...state, published });
  }
  if (written.length > 0) await copy.tables.writeTables({ written, forgotten: [], renamed: [] });
}

/** @returns Tables that are not published, as the publication is another's. */
async function ensure(
  client: pg.Client,
  publication: string,
  { tables, followed }: { tables: readonly SourceTable[]; followed: readonly SourceTable[] },
): Promise<SourceTable[]> {
  try {
    await ensurePublication(client, publication, followed);
    return [];
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'POSTGRES_AUTH') throw error;
    const present = await inspectPublication(client, publication);
    if (present === null) throw error;
    const isThere = (table: SourceTable): boolean => isPublished(present, table);
    // As it is, it is what it should be, but for what is missing. Else the first error says what is wrong.
    await ensurePublication(client, publication, tables.filter(isThere)).catch(() => {
      throw error;
    });
    return followed.filter((table) => !isThere(table));
  }
}
