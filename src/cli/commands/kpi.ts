/** `millrace kpi`: lists the key figures, or shows one. */
import { Command, type CommandUnknownOpts, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { nearest } from '../../config/nearest.ts';
import { ClickHouse } from '../../destination/client.ts';
import { KPIS } from '../../kpi/definitions.ts';
import { type KpiResult, queryKpi } from '../../kpi/query.ts';
import { AppError } from '../../model/errors.ts';
import { openContext } from '../context.ts';
import { renderCsv, renderJson, renderTable } from '../print.ts';

const EXAMPLES = `
Examples:
  millrace kpi list
  millrace kpi ctr_by_campaign
  millrace kpi daily_delivery --from 2026-03-01 --to 2026-03-31 --format csv
  millrace kpi budget_pacing --pricing-model cpm`;

/** What narrows a key figure. Days are of the event, in UTC, both included. */
interface Filters {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly advertiser?: number | undefined;
  readonly campaign?: number | undefined;
}

/** The command `kpi`. */
export function kpiCommand() {
  return new Command('kpi')
    .description('Lists the key figures, or shows one. Money follows --pricing-model.')
    .argument('[name]', 'name of the key figure, or “list”', 'list')
    .option('--from <day>', 'first day, for example 2026-03-01', parseDay)
    .option('--to <day>', 'last day', parseDay)
    .option('--advertiser <id>', 'one advertiser only', parseId)
    .option('--campaign <id>', 'one campaign only', parseId)
    .addOption(new Option('--format <format>', 'how to print').choices(['table', 'json', 'csv']))
    .addHelpText('after', EXAMPLES)
    .action(async (name, options, command) => {
      const { json } = command.optsWithGlobals() as { json?: true };
      const format = options.format ?? (json === true ? 'json' : 'table');
      const text = name === 'list' ? listText(format) : await kpiText(command, knownName(name), { ...options, format });
      process.stdout.write(text);
    });
}

type Format = 'table' | 'json' | 'csv';

function listText(format: Format): string {
  const rows = Object.entries(KPIS).map(([name, { title, description }]) => ({ name, title, description }));
  const columns = [{ name: 'name' }, { name: 'title' }, { name: 'description' }];
  if (format === 'json') return renderJson(rows);
  return format === 'csv' ? renderCsv(columns, rows) : renderTable(columns, rows, terminal());
}

/** The result in one of the formats; each says up to where it is true. */
export function resultText(name: string, result: KpiResult, format: Format): string {
  const { columns, rows, asOf, loading } = result;
  if (format === 'json') return renderJson({ kpi: name, asOf, loading, columns, rows });
  if (format === 'csv') {
    const dated = rows.map((row) => ({ ...row, as_of: asOf.commitTime, as_of_lsn: asOf.lsn }));
    return renderCsv([...columns, { name: 'as_of' }, { name: 'as_of_lsn' }], dated);
  }
  const table = rows.length === 0 ? 'no data\n' : renderTable(columns, rows, terminal());
  const note = loading ? '; some tables are still loading, see `millrace status`' : '';
  return `${table}\nas of ${asOf.commitTime ?? '–'} UTC (${asOf.lsn})${note}\n`;
}

async function kpiText(
  command: CommandUnknownOpts,
  name: KpiName,
  options: Filters & { format: Format },
): Promise<string> {
  const { config, endpoints } = await openContext(command);
  await using clickhouse = new ClickHouse(endpoints.clickhouse);
  const names = { database: config.database, internal: config.internalDatabase };
  const { format, ...filters } = options;
  const result = await queryKpi(clickhouse, names, name, { ...filters, pricingModel: config.pricingModel });
  return resultText(name, result, format);
}

type KpiName = Extract<keyof typeof KPIS, string>;

function knownName(name: string): KpiName {
  if (Object.hasOwn(KPIS, name)) return name as KpiName;
  throw new AppError(
    'USAGE',
    `there is no key figure “${name}”${nearest(name, Object.keys(KPIS))}; see \`millrace kpi list\``,
  );
}

function terminal(): { width: number | undefined; colour: boolean } {
  return { width: process.stdout.columns, colour: process.stdout.isTTY };
}

function parseDay(text: string): string {
  const date = new Date(`${text}T00:00:00Z`);
  // 2026-02-30 reads as 2 March: a day is what comes back as it was written.
  const isDay = !Number.isNaN(date.getTime()) && date.toISOString().slice(0, 10) === text;
  if (!isDay) throw new InvalidArgumentError('Expected a day such as 2026-03-01.');
  return text;
}

function parseId(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError('Expected a number.');
  return Number(text);
}
