/** `millrace status`: how far the copy is, from any terminal. */
import { Command } from '@commander-js/extra-typings';
import type pg from 'pg';
import { ClickHouse } from '../../destination/client.ts';
import { isFollowed } from '../../destination/table-state.ts';
import { AppError } from '../../model/errors.ts';
import { SILENT_SECONDS } from '../../pipeline/read-heartbeat.ts';
import { readStatus, type Status } from '../../pipeline/status.ts';
import { connectPostgres } from '../../source/connection.ts';
import { type Proof, readProof } from '../../verify/proof.ts';
import { openContext } from '../context.ts';
import { byteSize, type Column, renderJson, renderTable, thousands } from '../print.ts';
import { duration } from '../progress.ts';
import { retryText } from '../pipeline-display.ts';

/** The command `status`. */
export function statusCommand() {
  return new Command('status')
    .description('Shows how far the copy is: each table, the lag, and what the source keeps for it.')
    .action(async (_options, command) => {
      const { config, endpoints, json } = await openContext(command);
      await using clickhouse = new ClickHouse(endpoints.clickhouse);
      const postgres = await sessionOn(endpoints.postgres);
      try {
        const names = { database: config.database, internal: config.internalDatabase };
        const { slot, walBudget, walBudgetAction } = config;
        const status = await readStatus({ postgres, clickhouse, names, slot, endpoints, walBudget, walBudgetAction });
        if (status.phase === 'unreachable') process.exitCode = 2;
        const isAsked = status.clickhouseError === null && status.phase !== 'new';
        const verified = isAsked ? await readProof(clickhouse, names, slot) : null;
        process.stdout.write(json ? renderJson({ ...status, verified }) : statusText(status, verified));
      } finally {
        if (!(postgres instanceof AppError)) await postgres.end();
      }
    });
}

/** A session, or why the source cannot be reached: its copy can still be told of. */
async function sessionOn(url: string): Promise<pg.Client | AppError> {
  try {
    return await connectPostgres(url);
  } catch (error) {
    if (error instanceof AppError && error.code === 'POSTGRES_UNREACHABLE') return error;
    throw error;
  }
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
export function statusText(status: Status, verified: Proof | null = null): string {
  const { lag, slot } = status;
  const retained = slot?.retainedBytes ?? null;
  const lines = [
    `phase       ${status.phase}${status.caughtUp ? ', caught up' : ''}`,
    `source      ${status.endpoints.postgres}`,
    `copy        ${status.endpoints.clickhouse}`,
    `applied     ${status.appliedLsn ?? '–'}   confirmed ${status.confirmedLsn ?? '–'}`,
    `lag         ${lagText(lag)}`,
    ...(status.postgresError === null ? [] : [`PostgreSQL  unreachable: ${status.postgresError}`]),
    ...pipelineLines(status),
    slot === null
      ? `slot        ${status.postgresError === null ? 'none' : '–'}`
      : `slot        ${slot.active ? 'active' : 'not active'}, log ${slot.walStatus ?? '–'}, keeps ${retained === null ? '–' : byteSize(retained)}`,
    ...walLines(status.wal),
    `verified    ${proofText(verified)}`,
  ];
  const rows = status.tables.map((table) => ({
    ...table,
    phase: table.building && isFollowed(table.phase) ? `rebuilding: ${table.phase}` : table.phase,
    // Without statistics on the source there is no estimate.
    rowsEstimated: table.rowsEstimated === 0 ? null : table.rowsEstimated,
    chunks: `${thousands(table.chunksDone)}/${thousands(table.chunksTotal)}`,
  }));
  const columns = rows.some((row) => row.reason !== null) ? TABLE_COLUMNS : TABLE_COLUMNS.slice(0, -1);
  const tables = rows.length === 0 ? '' : `\n${renderTable(columns, rows, { width: process.stdout.columns })}`;
  return `${lines.join('\n')}\n${tables}`;
}

/** What its process tells of itself, or why nobody can know. */
function pipelineLines({ pipeline, clickhouseError }: Status): string[] {
  if (clickhouseError !== null) return [`ClickHouse  unreachable: ${clickhouseError}`];
  if (pipeline === null) return [];
  const { pid, host, phase, ageSeconds, retrying, waitingFor } = pipeline;
  const who = `process ${pid} on ${host}`;
  if (ageSeconds >= SILENT_SECONDS) return [`pipeline    ${who}, not heard for ${duration(ageSeconds)}`];
  const rates = `${rate(pipeline.rowsPerSecond)} rows/s in ${rate(pipeline.batchesPerSecond)} batches/s`;
  const load = `${rate(pipeline.insertsPerSecond)} inserts/s, parts at most ${thousands(pipeline.activeParts)}`;
  const memory = `memory ${byteSize(pipeline.rssBytes)}, spool ${byteSize(pipeline.spoolBytes)}`;
  return [
    `pipeline    ${who}: ${phase} for ${duration(pipeline.phaseSeconds)}`,
    `work        ${rates}, ${load}, ${memory}`,
    ...(waitingFor === null ? [] : [`waiting     for ${waitingFor}`]),
    ...(retrying === null ? [] : [`retrying    ${retryText(retrying)}`, `because     ${retrying.message}`]),
  ];
}

function walLines(wal: Status['wal']): string[] {
  if (wal === null) return [];
  const { secondsUntilBudget, secondsUntilLost, level, isSoon, action } = wal;
  const percent = Math.round((wal.retainedBytes / wal.budgetBytes) * 100);
  const growth = wal.growthBytesPerSecond ?? 0;
  const parts = [
    `${percent} % of its budget of ${byteSize(wal.budgetBytes)}`,
    growth > 0 ? `grows by ${byteSize(Math.round(growth))}/s` : 'does not grow',
    ...(secondsUntilBudget === null ? [] : [`used up in ${duration(secondsUntilBudget)}`]),
    ...(secondsUntilLost === null ? [] : [`PostgreSQL may give the slot up in ${duration(secondsUntilLost)}`]),
    ...(action === 'drop' ? ['then the slot is dropped'] : []),
  ];
  const isWarning = level !== 'ok' || isSoon;
  return [`${isWarning ? 'WAL WARNING' : 'WAL        '} ${parts.join(', ')}`];
}

function rate(perSecond: number): string {
  return perSecond < 10 ? String(Math.round(perSecond * 10) / 10) : thousands(Math.round(perSecond));
}

function proofText(proof: Proof | null): string {
  if (proof === null) return 'never';
  const { verdict, mode, lsn, finishedAt, differing } = proof;
  const count = differing === 0 ? '' : `, ${thousands(differing)} differences`;
  return `${verdict}${count} (${mode}) at ${lsn}, ${finishedAt.slice(0, 19).replace('T', ' ')} UTC`;
}

function lagText(lag: Status['lag']): string {
  if (lag.bytes === null) return '–';
  if (lag.bytes === 0) return 'none';
  return `${byteSize(lag.bytes)}${lag.seconds === null ? '' : `, at most ${duration(lag.seconds)}`}`;
}
