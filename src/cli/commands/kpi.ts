/** `millrace kpi`: lists the key figures, or shows one. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, type CommandUnknownOpts, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { nearest } from '../../config/nearest.ts';
import { ClickHouse } from '../../destination/client.ts';
import type { KpiColumn, KpiDefinition, Unit } from '../../kpi/definition.ts';
import { type KpiName, KPIS } from '../../kpi/definitions.ts';
import { GRAINS, type KpiRequest, type KpiResult, LEVELS, kpiParquet, queryKpi } from '../../kpi/query.ts';
import { AppError, isAbort } from '../../model/errors.ts';
import { openContext } from '../context.ts';
import { renderCsv, renderJson, renderTable, roundCents, type Row } from '../print.ts';
import { seriesLines } from '../sparkline.ts';

const EXAMPLES = `
Examples:
  millrace kpi list
  millrace kpi ctr
  millrace kpi daily --from 2026-03-01 --to 2026-03-31 --format csv
  millrace kpi delivery --grain week --by advertiser --timezone Europe/Berlin
  millrace kpi health
  millrace kpi health --watch 5
  millrace kpi ctr --columns campaign,impressions,ctr,ctr_low,ctr_high --limit 10
  millrace kpi spend --pricing-model cpm --format parquet --output spend.parquet
  millrace kpi campaigns --as-of 16/B374D848
  millrace kpi budget --as-of '2026-03-07 10:00'`;

const FORMATS = ['table', 'json', 'csv', 'parquet'] as const;

type Format = 'table' | 'json' | 'csv';

type Filters = Omit<KpiRequest, 'pricingModel' | 'budgetKind' | 'timezone'>;

/** How the answer is shown. */
interface Shown {
  readonly format: (typeof FORMATS)[number];
  readonly output: string | undefined;
  /** Seconds between two answers; null: one answer. */
  readonly watch: number | null;
  readonly ascii: boolean;
  /** Names of the columns shown, in this order; all when absent. */
  readonly columns: readonly string[] | undefined;
  /** Most rows shown; all when absent. */
  readonly limit: number | undefined;
}

/** The command `kpi`. */
export function kpiCommand() {
  return new Command('kpi')
    .description(
      'Lists the key figures, or shows one. Days are of the event, in --timezone; money follows --pricing-model and --budget-kind.',
    )
    .argument('[name]', 'name of the key figure, or “list”', 'list')
    .option('--from <day>', 'first day, for example 2026-03-01 (default: the first with events)')
    .option('--to <day>', 'last day (default: the last with events)')
    .addOption(new Option('--grain <grain>', 'steps of “delivery” (default: day)').choices(GRAINS))
    .addOption(new Option('--by <level>', 'whose figures (default: platform)').choices(LEVELS))
    .option('--advertiser <id>', 'one advertiser only', parseId)
    .option('--campaign <id>', 'one campaign only', parseId)
    .option('--hours <number>', 'hours without an impression that are too many (default: 6)', parseCount)
    .option('--now <moment>', 'the moment the figures are of, in UTC (default: the commit time of the copy)')
    .option('--as-of <moment>', 'a position or time of the past, as 16/B374D848 or 2026-03-07T10:00Z: see docs/kpis.md')
    .option('--columns <names>', 'only these columns, in this order: campaign,ctr', (names) => names.split(','))
    .option('--limit <rows>', 'the first rows only', parseCount)
    .addOption(new Option('--format <format>', 'how to print').choices(FORMATS))
    .option('--output <file>', 'write there, not to stdout')
    .option('--watch [seconds]', 'again and again until Ctrl-C, by default every 2 seconds', parseSeconds)
    .option('--ascii', 'no characters beyond ASCII: no trend lines')
    .option('--no-color', 'no colours, no trend lines')
    .addHelpText('after', EXAMPLES)
    .action(async (name, { format, output, watch, ascii, color, columns, limit, ...filters }, command) => {
      const { json } = command.optsWithGlobals() as { json?: true };
      const shown: Shown = {
        format: format ?? (json === true ? 'json' : 'table'),
        output,
        watch: watch === undefined ? null : watch === true ? 2 : watch,
        ascii: ascii === true || !color,
        columns,
        limit,
      };
      checkShown(name, shown);
      if (name === 'list') await put(listText(shown.format as Format), output);
      else await show(command, knownName(name), filters, shown);
    });
}

/** @throws {AppError} `USAGE` for what does not go together. */
function checkShown(name: string, { format, output, watch, columns, limit }: Shown): void {
  const isBinary = format === 'parquet';
  if ((isBinary || name === 'list') && (columns !== undefined || limit !== undefined))
    throw new AppError('USAGE', '`--columns` and `--limit` are for figures shown as table, json or csv');
  if (isBinary && name === 'list') throw new AppError('USAGE', 'the list is no Parquet: choose table, json or csv');
  if (isBinary && output === undefined && process.stdout.isTTY)
    throw new AppError('USAGE', 'Parquet is not for a terminal: add `--output FILE`, or send it through a pipe');
  if (watch === null) return;
  if (name === 'list') throw new AppError('USAGE', 'the list does not change: there is nothing to watch');
  if (isBinary || output !== undefined) throw new AppError('USAGE', '`--watch` shows figures, it writes no files');
}

async function put(content: string | Buffer, output: string | undefined): Promise<void> {
  if (output === undefined) {
    process.stdout.write(content);
    return;
  }
  // Whoever reads it meanwhile has the file of before, or this one, never a part.
  const part = `${output}.${process.pid}.part`;
  try {
    await writeFile(part, content);
    await rename(part, output);
  } catch (error) {
    await rm(part, { force: true });
    throw new AppError('USAGE', `${output} cannot be written: ${String(error)}`, { cause: error });
  }
}

function listText(format: Format): string {
  const kpis = Object.values<KpiDefinition>(KPIS);
  // Programs get the whole definition, but for its SQL: that is in sql/kpi.
  if (format === 'json') return renderJson(kpis.map((kpi) => ({ ...kpi, sql: undefined, report: undefined })));
  const rows = kpis.map(({ name, title, description, grain }) => ({ name, title, grain, description }));
  const columns = [{ name: 'name' }, { name: 'title' }, { name: 'grain' }, { name: 'description' }];
  return format === 'csv' ? renderCsv(columns, rows) : renderTable(columns, rows, terminal());
}

async function show(command: CommandUnknownOpts, name: KpiName, filters: Filters, shown: Shown): Promise<void> {
  chosenColumns(name, KPIS[name].columns, shown.columns);
  const { config, endpoints, signal } = await openContext(command);
  await using clickhouse = new ClickHouse(endpoints.clickhouse, { signal });
  const names = { database: config.database, internal: config.internalDatabase };
  const { pricingModel, budgetKind, timezone, output } = { ...config, ...shown };
  const request = { ...filters, pricingModel, budgetKind, timezone };
  try {
    if (shown.format === 'parquet') return await put(await kpiParquet(clickhouse, names, name, request), output);
    const { format } = shown;
    const text = async (): Promise<string> =>
      resultText(name, chosen(name, await queryKpi(clickhouse, names, name, request), shown), format, shown);
    if (shown.watch === null) await put(await text(), output);
    else await watch(text, { format, seconds: shown.watch, signal });
  } catch (error) {
    if (shown.watch !== null && signal.aborted) return;
    throw isMissing(error)
      ? new AppError('NOT_RUNNING', `there is no copy in “${names.database}” yet`, { cause: error })
      : error;
  }
}

/** The columns and rows asked for. */
function chosen(name: KpiName, result: KpiResult, { columns, limit }: Shown): KpiResult {
  const wanted = chosenColumns(name, result.columns, columns);
  const rows = result.rows
    .slice(0, limit)
    .map((row) => Object.fromEntries(wanted.map((one) => [one.name, row[one.name]])));
  return { ...result, columns: wanted, rows };
}

/** @throws {AppError} `USAGE` for a column that the figure does not have. */
function chosenColumns(
  name: KpiName,
  columns: readonly KpiColumn[],
  wanted: readonly string[] | undefined,
): readonly KpiColumn[] {
  return (wanted ?? columns.map((column) => column.name)).map((one) => {
    const column = columns.find((each) => each.name === one);
    if (column !== undefined) return column;
    const known = columns.map((each) => each.name);
    throw new AppError('USAGE', `“${name}” has no column “${one}”${nearest(one, known)}; it has ${known.join(', ')}`);
  });
}

/** Shows the answer again and again: in place of the one before on a terminal, below it elsewhere, JSON a line each. */
async function watch(
  text: () => Promise<string>,
  { format, seconds, signal }: { format: Format; seconds: number; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    const shown = await text();
    const clear = process.stdout.isTTY && format === 'table' ? '\u001B[H\u001B[2J' : '';
    process.stdout.write(format === 'json' ? `${JSON.stringify(JSON.parse(shown))}\n` : `${clear}${shown}`);
    await sleep(seconds * 1000, undefined, { signal }).catch((error: unknown) => {
      if (!isAbort(error)) throw error;
    });
  }
}

/** The result in one of the formats; each says up to where it is true. */
export function resultText(
  name: KpiName,
  result: KpiResult,
  format: Format,
  { ascii }: { ascii: boolean } = { ascii: false },
): string {
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
  const { width, colour } = terminal();
  const trends = colour && !ascii ? seriesLines(columns, rows, width ?? 80) : '';
  return `${table}\n${trends === '' ? '' : `${trends}\n`}${days}as of ${asOf.commitTime ?? '–'} UTC (${asOf.lsn ?? '–'})${note}\n`;
}

/** Values as people read them; programs get them exact, by JSON and CSV. */
function readable(columns: readonly KpiColumn[]): (row: Row) => Row {
  return (row) => Object.fromEntries(columns.map(({ name, unit }) => [name, readableValue(row[name], unit)]));
}

function readableValue(value: unknown, unit: Unit): unknown {
  if (value === null || value === undefined) return null;
  if (unit === 'ratio') return `${(Number(value) * 100).toFixed(2)} %`;
  if (unit === 'money' || unit === 'estimate') return roundCents(value as string | number);
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
  return { width: process.stdout.columns, colour: process.stdout.isTTY && process.env['NO_COLOR'] === undefined };
}

function parseSeconds(text: string): number {
  if (!/^\d{1,5}(\.\d+)?$/.test(text) || Number(text) < 0.1)
    throw new InvalidArgumentError('Expected seconds, at least 0.1.');
  return Number(text);
}

function parseCount(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('Expected a whole number.');
  return Number(text);
}

function parseId(text: string): number {
  if (!/^-?\d{1,10}$/.test(text)) throw new InvalidArgumentError('Expected a number.');
  return Number(text);
}
