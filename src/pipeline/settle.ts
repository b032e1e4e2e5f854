/**
 * Completes rows whose unchanged TOAST values came before the row itself: reads them again from the source
 * by key and writes them under the version of the change that left the values out.
 *
 * What the source has now may be newer than that version. Then a later change of the stream carries it too,
 * or deletes it, and wins by its version; a row that is gone is left to its delete.
 */
import type { ColumnBuffer, UnfitPolicy } from '../codec/column.ts';
import { encodeBlock } from '../codec/native.ts';
import { insertPiece, LOAD_SETTINGS, type Patience } from '../destination/landing.ts';
import { AppError } from '../model/errors.ts';
import { chIdent } from '../model/quote.ts';
import { tableLabel } from '../model/table.ts';
import type { Copy } from './copy.ts';
import { failPoint } from './fail-points.ts';
import { keyText } from './key-text.ts';
import { withLoadSession } from './load-connection.ts';
import { MarkColumns, PLAIN } from './marks.ts';
import { readByKey } from './read-by-key.ts';
import { openColumns, type TableLayout, layoutNames } from './layout.ts';

/** Rows that are read and written together: each may be large. */
const ROWS_AT_ONCE = 200;

/** Completes all noted rows of a table. May be repeated. */
export async function settleIncomplete(
  copy: Copy,
  layout: TableLayout,
  options: { url: string; generation: number; policies: readonly UnfitPolicy[]; patience: Patience },
): Promise<void> {
  const label = tableLabel(layout.table);
  const open = await copy.tables.readIncomplete(label, options.generation);
  if (open.length === 0) return;
  const { patience } = options;
  const keys = layout.table.key;
  const nameOf = (key: readonly string[]): string => JSON.stringify(key);
  await withLoadSession(options.url, patience.signal, async (client) => {
    for (let from = 0; from < open.length; from += ROWS_AT_ONCE) {
      const rows = open.slice(from, from + ROWS_AT_ONCE);
      const versions = new Map(rows.map(({ key, version }) => [nameOf(key), version]));
      const columns = openColumns(layout, options.policies);
      const wanted = rows.map(({ key }) => key);
      await readByKey(client, layout, wanted, { columns, signal: patience.signal });
      const keyColumns = keys.map((i) => columns[i] as ColumnBuffer);
      const found = Array.from({ length: columns[0]?.length ?? 0 }, (_, row) => {
        const version = versions.get(nameOf(keyColumns.map((column) => keyText(column, row))));
        if (version === undefined) throw new AppError('INTERNAL', `${label} was asked for keys, and gave another`);
        return version;
      });
      if (found.length > 0) await insertRows(copy, layout, { columns, versions: found, patience });
    }
  });
  failPoint('incomplete-completed');
  await copy.tables.writeIncomplete(label, options.generation, open, true);
  failPoint('incomplete-settled');
}

async function insertRows(
  copy: Copy,
  layout: TableLayout,
  rows: { columns: readonly ColumnBuffer[]; versions: readonly bigint[]; patience: Patience },
): Promise<void> {
  const marks = new MarkColumns();
  for (const version of rows.versions) marks.append(PLAIN, Number(version >> 32n), Number(version & 0xffffffffn), 0n);
  const named = layout.table.columns.map((column, i) => ({
    name: column.name,
    column: rows.columns[i] as ColumnBuffer,
  }));
  const block = [...named, ...marks.columns({ signed: false, history: layout.history })];
  const names = block.map(({ name }) => chIdent(name)).join(', ');
  await insertPiece(copy.clickhouse, {
    sql: `INSERT INTO ${layoutNames(copy.names, layout).landing} (${names}) FORMAT Native`,
    parts: encodeBlock(block, rows.versions.length),
    settings: { ...LOAD_SETTINGS, ...copy.fence.settings('settle') },
    ...rows.patience,
  });
}
