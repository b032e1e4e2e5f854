/** `millrace status`: how far the copy is, from any terminal. */
import { Command } from '@commander-js/extra-typings';
import { ClickHouse } from '../../destination/client.ts';
import { readStatus, type Status } from '../../pipeline/status.ts';
import { connectPostgres } from '../../source/connection.ts';
import { openContext } from '../context.ts';
import { byteSize, type Column, renderJson, renderTable, thousands } from '../print.ts';
import { duration } from '../progress.ts';

/** The command `status`. */
export function statusCommand() {
  return new Command('status')
    .description('Shows how far the copy is: each table, the lag, and what the source keeps for it.')
    .action(async (_options, command) => {
      const { config, endpoints, json } = await openContext(command);
      await using clickhouse = new ClickHouse(endpoints.clickhouse);
      const postgres = await connectPostgres(endpoints.postgres);
      try {
        const names = { database: config.database, internal: config.internalDatabase };
        const status = await readStatus({ postgres, clickhouse, names, slot: config.slot, endpoints });
        process.stdout.write(json ? renderJson(status) : statusText(status));
      } finally {
        await postgres.end();
      }
    });
}

const TABLE_COLUMNS: readonly Column[] = [
  { name: 'name', label: 'table', kind: 'text' },
  { name: 'phase', kind: 'text' },
  { name: 'rowsLoaded', label: 'rows loaded', kind: 'number' },
  { name: 'rowsEstimated', label: 'of about', kind: 'number' },
  { name: 'chunks', kind: 'text' },
  { name: 'reason', kind: 'text' },
];

/** The status for people. */
export function statusText(status: Status): string {
  const { lag, slot } = status;
  const retained = slot?.retainedBytes ?? null;
  const lines = [
    `phase       ${status.phase}${status.caughtUp ? ', caught up' : ''}`,
    `source      ${status.endpoints.postgres}`,
    `copy        ${status.endpoints.clickhouse}`,
    `applied     ${status.appliedLsn ?? '–'}   confirmed ${status.confirmedLsn ?? '–'}`,
    `lag         ${lagText(lag)}`,
    slot === null
      ? 'slot        none'
      : `slot        ${slot.active ? 'active' : 'not active'}, log ${slot.walStatus ?? '–'}, keeps ${retained === null ? '–' : byteSize(retained)}`,
  ];
  const rows = status.tables.map((table) => ({
    ...table,
    // Without statistics on the source there is no estimate.
    rowsEstimated: table.rowsEstimated === 0 ? null : table.rowsEstimated,
    chunks: `${thousands(table.chunksDone)}/${thousands(table.chunksTotal)}`,
  }));
  const columns = rows.some((row) => row.reason !== null) ? TABLE_COLUMNS : TABLE_COLUMNS.slice(0, -1);
  const tables = rows.length === 0 ? '' : `\n${renderTable(columns, rows, { width: process.stdout.columns })}`;
  return `${lines.join('\n')}\n${tables}`;
}

function lagText(lag: Status['lag']): string {
  if (lag.bytes === null) return '–';
  if (lag.bytes === 0) return 'none';
  return `${byteSize(lag.bytes)}${lag.seconds === null ? '' : `, at most ${duration(lag.seconds)}`}`;
}
