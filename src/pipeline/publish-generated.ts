/**
 * Lets our publication bring the generated columns that are to be copied, where it comes from an earlier version or was
 * altered by somebody.
 *
 * Before tables are built anew for it: what is decoded without these columns belongs to transactions that run by now, and
 * is left out once these have ended, as the load sees their results.
 */
import type pg from 'pg';
import type { TableState } from '../destination/table-state.ts';
import type { Lsn } from '../model/lsn.ts';
import { type SourceTable, tableLabel } from '../model/table.ts';
import { lacksGenerated } from '../source/publication.ts';
import { publicationMarks } from '../source/relations.ts';
import type { Copy } from './copy.ts';
import type { PipelineOptions } from './options.ts';
import { publishFirst } from './rules-in-line.ts';

/**
 * Alters the publication if it must be.
 *
 * @returns The states as they are then, and the end of the source's log behind all that was decoded without these columns.
 */
export async function publishGenerated(
  client: pg.Client,
  copy: Copy,
  found: {
    readonly followed: readonly SourceTable[];
    readonly states: ReadonlyMap<string, TableState>;
    readonly lsn: Lsn;
    readonly options: PipelineOptions;
  },
): Promise<{ states: ReadonlyMap<string, TableState>; lsn: Lsn }> {
  const { followed, options } = found;
  if (!(await lacksGenerated(client, options.publication, followed))) return found;
  const lsn = await publishFirst(client, followed, options);
  // It was us who have altered it: the other tables need not be built anew.
  const marks = await publicationMarks(client, options.publication);
  const states = new Map(found.states);
  for (const table of followed) {
    const state = states.get(tableLabel(table));
    if (state !== undefined && state.published !== '')
      states.set(state.table, { ...state, published: marks.get(table.oid) ?? '' });
  }
  const written = [...states.values()].filter((state) => found.states.get(state.table) !== state);
  await copy.tables.writeTables({ written, forgotten: [], renamed: [] });
  return { states, lsn };
}
