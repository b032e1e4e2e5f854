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
import { chIdent } from '../model/quote.ts';
import { tableLabel } from '../model/table.ts';
import type { Copy } from './copy.ts';
import { failPoint } from './fail-points.ts';
import { withLoadSession } from './load-connection.ts';
import { MarkColumns, PLAIN } from './marks.ts';
import { readByKey } from './read-by-key.ts';
import { openColumns, type TableLayout, layoutNames } from './layout.ts';

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
  await withLoadSession(options.url, patience.signal, async (client) => {
    for (const row of open) {
      const columns = openColumns(layout, options.policies);
      await readByKey(client, layout, [row.key], { columns, signal: patience.signal });
      if ((columns[0]?.length ?? 0) > 0) await insertRow(copy, layout, { columns, version: row.version, patience });
    }
  });
  failPoint('incomplete-completed');
  await copy.tables.writeIncomplete(label, options.generation, open, true);
  failPoint('incomplete-settled');
}

async function insertRow(
  copy: Copy,
  layout: TableLayout,
  row: { columns: readonly ColumnBuffer[]; version: bigint; patience: Patience },
): Promise<void> {
  const marks = new MarkColumns();
  marks.append(PLAIN, Number(row.version >> 32n), Number(row.version & 0xffffffffn), 0n);
  const named = layout.table.columns.map((column, i) => ({
    name: column.name,
    column: row.columns[i] as ColumnBuffer,
  }));
  const block = [...named, ...marks.columns({ signed: false, history: layout.history })];
  const names = block.map(({ name }) => chIdent(name)).join(', ');
  await insertPiece(copy.clickhouse, {
    sql: `INSERT INTO ${layoutNames(copy.names, layout).landing} (${names}) FORMAT Native`,
    parts: encodeBlock(block, 1),
    settings: { ...LOAD_SETTINGS, ...copy.fence.settings('settle') },
    ...row.patience,
  });
}
