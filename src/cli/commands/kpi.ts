/** `millrace kpi`: lists the key figures, or shows one. */
import { Command, type CommandUnknownOpts, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { nearest } from '../../config/nearest.ts';
import { ClickHouse } from '../../destination/client.ts';
import type { KpiColumn, Unit } from '../../kpi/definition.ts';
import { type KpiName, KPIS } from '../../kpi/definitions.ts';
import { GRAINS, type KpiRequest, type KpiResult, LEVELS, queryKpi } from '../../kpi/query.ts';
import { AppError } from '../../model/errors.ts';
import { openContext } from '../context.ts';
import { renderCsv, renderJson, renderTable, roundCents, type Row } from '../print.ts';

const EXAMPLES = `
Examples:
  millrace kpi list
  millrace kpi ctr
  millrace kpi daily --from 2026-03-01 --to 2026-03-31 --format csv
  millrace kpi delivery --grain week --by advertiser --timezone Europe/Berlin
  millrace kpi health
  millrace kpi spend --pricing-model cpm`;

type Format = 'table' | 'json' | 'csv';

type Filters = Omit<KpiRequest, 'pricingModel'>;

/** The command `kpi`. */
export function kpiCommand() {
  return new Command('kpi')
    .description('Lists the key figures, or shows one. Days are of the event; money follows --pricing-model.')
    .argument('[name]', 'name of the key figure, or “list”', 'list')
    .option('--from <day>', 'first day, for example 2026-03-01 (default: the first with events)')
    .option('--to <day>', 'last day (default: the last with events)')
    .option('--timezone <name>', 'in which days and hours are meant, for example Europe/Berlin (default: UTC)')
    .addOption(new Option('--grain <grain>', 'steps of “delivery” (default: day)').choices(GRAINS))
    .addOption(new Option('--by <level>', 'whose figures (default: platform)').choices(LEVELS))
    .addOption(
      new Option('--budget-kind <kind>', 'what budgets are for, where no rule says it').choices(['lifetime', 'daily']),
    )
    .option('--advertiser <id>', 'one advertiser only', parseId)
    .option('--campaign <id>', 'one campaign only', parseId)
    .addOption(new Option('--format <format>', 'how to print').choices(['table', 'json', 'csv']))
    .addHelpText('after', EXAMPLES)
    .action(async (name, { format, ...filters }, command) => {
      const { json } = command.optsWithGlobals() as { json?: true };
      const chosen = format ?? (json === true ? 'json' : 'table');
      const text = name === 'list' ? listText(chosen) : await kpiText(command, knownName(name), filters, chosen);
      process.stdout.write(text);
    });
}

function listText(format: Format): string {
  const rows = Object.values(KPIS).map(({ name, title, description, grain }) => ({ name, title, grain, description }));
  const columns = [{ name: 'name' }, { name: 'title' }, { name: 'grain' }, { name: 'description' }];
  if (format === 'json') return renderJson(rows);
  return format === 'csv' ? renderCsv(columns, rows) : renderTable(columns, rows, terminal());
}

async function kpiText(command: CommandUnknownOpts, name: KpiName, filters: Filters, format: Format): Promise<string> {
  const { config, endpoints } = await openContext(command);
  await using clickhouse = new ClickHouse(endpoints.clickhouse);
  const names = { database: config.database, internal: config.internalDatabase };
  try {
    const result = await queryKpi(clickhouse, names, name, { ...filters, pricingModel: config.pricingModel });
    return resultText(name, result, format);
  } catch (error) {
    throw isMissing(error)
      ? new AppError('NOT_RUNNING', `there is no copy in “${names.database}” yet`, { cause: error })
      : error;
  }
}

/** The result in one of the formats; each says up to where it is true. */
export function resultText(name: KpiName, result: KpiResult, format: Format): string {
  const { columns, rows, range, asOf, loading } = result;
  if (format === 'json')
    return renderJson({ kpi: name, range, asOf, loading, timezone: result.timezone, columns, rows });
  if (format === 'csv') {
    const dated = rows.map((row) => ({ ...row, as_of: asOf.commitTime, as_of_lsn: asOf.lsn }));
    return renderCsv([...columns, { name: 'as_of' }, { name: 'as_of_lsn' }], dated);
  }
  const table = rows.length === 0 ? 'no data\n' : renderTable(columns, rows.map(readable(columns)), terminal());
  const days = range === null ? '' : `${range.from} to ${range.to}, `;
  const note = loading ? '; some tables are still loading, so figures are too low: see `millrace status`' : '';
  return `${table}\n${days}as of ${asOf.commitTime ?? '–'} UTC (${asOf.lsn ?? '–'})${note}\n`;
}

/** Values as people read them; programs get them exact, by JSON and CSV. */
function readable(columns: readonly KpiColumn[]): (row: Row) => Row {
  return (row) => Object.fromEntries(columns.map(({ name, unit }) => [name, readableValue(row[name], unit)]));
}

function readableValue(value: unknown, unit: Unit): unknown {
  if (value === null || value === undefined) return null;
  if (unit === 'ratio') return `${(Number(value) * 100).toFixed(2)} %`;
  if (unit === 'money') return roundCents(value as string | number);
  return unit === 'flag' ? (Number(value) === 0 ? '' : 'yes') : value;
}

function knownName(name: string): KpiName {
  if (Object.hasOwn(KPIS, name)) return name as KpiName;
  throw new AppError(
    'USAGE',
    `there is no key figure “${name}”${nearest(name, Object.keys(KPIS))}; see \`millrace kpi list\``,
  );
}

/** UNKNOWN_TABLE, UNKNOWN_DATABASE: nothing was set up there. */
function isMissing(error: unknown): boolean {
  return error instanceof AppError && ['60', '81'].includes(String(error.details['clickhouseCode']));
}

function terminal(): { width: number | undefined; colour: boolean } {
  return { width: process.stdout.columns, colour: process.stdout.isTTY };
}

function parseId(text: string): number {
  if (!/^-?\d{1,10}$/.test(text)) throw new InvalidArgumentError('Expected a number.');
  return Number(text);
}
