/** `millrace losses`: which values of the source the copy holds something else for. */
import { Command } from '@commander-js/extra-typings';
import { ClickHouse } from '../../destination/client.ts';
import { type LossEntry, readLosses } from '../../pipeline/read-losses.ts';
import { openContext } from '../context.ts';
import { type Column, renderJson, renderTable } from '../print.ts';

const EXAMPLES = `
Values that ClickHouse cannot hold (infinity, NaN, years beyond 2299) become what unfitPolicy or the column's unfit says;
each is counted here. docs/types.md tells which types have such values, and how to keep all of them.

Examples:
  millrace losses          by table, column and reason
  millrace losses --json   for scripts`;

/** The command `losses`. */
export function lossesCommand() {
  return new Command('losses')
    .description('Shows which values did not fit, how many, a sample of each kind and the key of its row.')
    .addHelpText('after', EXAMPLES)
    .action(async (_options, command) => {
      const { config, endpoints, json } = await openContext(command);
      await using clickhouse = new ClickHouse(endpoints.clickhouse);
      const names = { database: config.database, internal: config.internalDatabase };
      const losses = await readLosses(clickhouse, names, config.slot);
      process.stdout.write(json ? renderJson({ losses }) : lossesText(losses));
    });
}

const COLUMNS: readonly Column[] = [
  { name: 'table', kind: 'text' },
  { name: 'column', kind: 'text' },
  { name: 'reason', kind: 'text' },
  { name: 'action', kind: 'text' },
  { name: 'values', kind: 'number' },
  { name: 'sample', kind: 'text' },
  { name: 'key', label: 'key of the sample', kind: 'text' },
  { name: 'lastAt', label: 'last (UTC)', kind: 'text' },
];

/** The ledger for people. */
export function lossesText(losses: readonly LossEntry[]): string {
  if (losses.length === 0) return 'nothing was lost: every value is in the copy as it is in the source\n';
  const rows = losses.map((loss) => ({ ...loss, column: loss.column || '(rows)', key: loss.key.join(' / ') }));
  return renderTable(COLUMNS, rows, { width: process.stdout.columns });
}
