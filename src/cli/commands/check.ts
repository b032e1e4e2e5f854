/** `millrace check`: examines both servers, and prints each finding with its remedy. Changes nothing. */
import { copiedTables } from '../../config/table-rules.ts';
import { styleText } from 'node:util';
import { Command } from '@commander-js/extra-typings';
import { codecFor } from '../../codec/codecs.ts';
import { ClickHouse } from '../../destination/client.ts';
import type { Names } from '../../destination/ddl.ts';
import { isFollowed, type TablePhase, TableStateStore } from '../../destination/table-state.ts';
import { checkClickHouse } from '../../destination/preflight.ts';
import { clockFindings, type Finding } from '../../model/finding.ts';
import { AppError } from '../../model/errors.ts';
import type { SourceColumn } from '../../model/table.ts';
import { findComputedFaults } from '../../pipeline/computed-columns.ts';
import { type Catalog, readCatalog } from '../../source/catalog.ts';
import { connectPostgres, pgRows } from '../../source/connection.ts';
import { checkPostgres } from '../../source/preflight.ts';
import { tableFaults } from '../../source/preflight-tables.ts';
import { type Context, openContext } from '../context.ts';
import { renderJson } from '../print.ts';

/** The command `check`. */
export function checkCommand() {
  return new Command('check')
    .description('Examines both servers and says what must be changed, with the exact remedy. Changes nothing.')
    .addHelpText('after', '\nExit code 0 when nothing stands in the way, 2 when something does.')
    .action(async (_options, command) => {
      const context = await openContext(command);
      const [source, destination] = await Promise.all([sourceFindings(context), destinationFindings(context)]);
      const report = { postgres: source, clickhouse: destination };
      process.stdout.write(context.json ? renderJson(report) : reportText(report));
      process.exitCode = hasErrors(report) ? 2 : 0;
    });
}

/** The findings of both servers. */
export interface CheckReport {
  readonly postgres: readonly Finding[];
  readonly clickhouse: readonly Finding[];
}

/** The findings for people, errors first. */
export function reportText(report: CheckReport): string {
  const sections = [sectionText('PostgreSQL', report.postgres), sectionText('ClickHouse', report.clickhouse)];
  const verdict = hasErrors(report) ? 'Millrace cannot run on these servers as they are.' : 'Millrace can run.';
  return `${sections.join('\n')}\n${verdict}\n`;
}

function sectionText(server: string, findings: readonly Finding[]): string {
  if (findings.length === 0) return `${mark('ok')} ${server}: nothing to do\n`;
  const ordered = [...findings.filter(isError), ...findings.filter((finding) => !isError(finding))];
  return ordered
    .map(({ code, severity, object, message, remedy }) => {
      const indented = remedy.replaceAll('\n', '\n      ');
      return `${mark(severity)} ${server} ${code} (${object}): ${message}\n    → ${indented}\n`;
    })
    .join('');
}

function mark(kind: Finding['severity'] | 'ok'): string {
  const colour = kind === 'ok' ? 'green' : kind === 'error' ? 'red' : 'yellow';
  return styleText(colour, kind.padEnd(7), { stream: process.stdout });
}

function isError(finding: Finding): boolean {
  return finding.severity === 'error';
}

function hasErrors(report: CheckReport): boolean {
  return [...report.postgres, ...report.clickhouse].some(isError);
}

async function destinationFindings({ config, endpoints }: Context): Promise<Finding[]> {
  await using clickhouse = new ClickHouse(endpoints.clickhouse);
  const names = { database: config.database, internal: config.internalDatabase };
  return [...(await checkClickHouse(clickhouse, names)), ...(await tableFindings(clickhouse, names, config.slot))];
}

/** Tables of a copy that are not followed, and what brings them back. */
async function tableFindings(clickhouse: ClickHouse, names: Names, pipeline: string): Promise<Finding[]> {
  const [made] = await clickhouse
    .rows("SELECT 1 FROM system.tables WHERE database = {internal:String} AND name = 'tables'", {
      params: { internal: names.internal },
    })
    .catch((error: unknown) => {
      // Told by the findings of the server itself.
      if (error instanceof AppError) return [];
      throw error;
    });
  if (made === undefined) return [];
  const states = [...(await new TableStateStore(clickhouse, names, pipeline).readTables()).values()];
  return states
    .filter(({ phase }) => !isFollowed(phase) && phase !== 'excluded')
    .map(({ table, phase, reason }) => ({
      code: `table_${phase}`,
      severity: 'warning',
      object: table,
      message: `${table} is not followed, it is ${phase}: ${reason}`,
      remedy: REMEDY[phase]?.(table) ?? `millrace resync ${table}`,
    }));
}

const REMEDY: Readonly<Partial<Record<TablePhase, (table: string) => string>>> = {
  paused: (table) => `millrace resume ${table}`,
  dropped: (table) => `millrace drop ${table} --purge removes its rows; left alone, they stay.`,
};

async function sourceFindings({ config, endpoints }: Context): Promise<Finding[]> {
  const opened = await connectPostgres(endpoints.postgres).catch(unreachableFinding);
  if ('severity' in opened) return [opened];
  try {
    const before = Date.now();
    const [row] = await pgRows(opened, 'SELECT extract(epoch FROM clock_timestamp()) * 1000 AS ms');
    const clock = clockFindings('PostgreSQL server', Number(row?.['ms']), { before, after: Date.now() });
    const catalog = await readCatalog(opened, copiedTables(config));
    const { slot, publication } = config;
    const found = await checkPostgres({ client: opened, catalog, slot, publication, columnFault });
    return [...found, ...(await computedFindings(endpoints.clickhouse, catalog)), ...clock];
  } finally {
    await opened.end();
  }
}

/** Expressions of the configuration that ClickHouse refuses, or that it could not be asked about. */
async function computedFindings(url: string, { tables }: Catalog): Promise<Finding[]> {
  await using clickhouse = new ClickHouse(url);
  try {
    return tableFaults(await findComputedFaults(clickhouse, tables));
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const message = `the expressions of computed columns could not be tried: ${error.message}`;
    return [{ code: 'computed_not_tried', severity: 'warning', object: 'tables', message, remedy: error.hint }];
  }
}

/** Why a column cannot be copied, or null when it can. */
function columnFault(column: SourceColumn): string | null {
  try {
    codecFor(column);
    return null;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return error.message;
  }
}

function unreachableFinding(error: unknown): Finding {
  if (!(error instanceof AppError)) throw error;
  return { code: 'connection', severity: 'error', object: 'server', message: error.message, remedy: error.hint };
}
