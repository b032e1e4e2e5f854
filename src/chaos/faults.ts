/** Does what the plan says: breaks something, waits, mends it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { chIdent } from '../model/quote.ts';
import { AppError } from '../model/errors.ts';
import { FAIL_POINT_TABLE, type FailPoint } from '../pipeline/fail-points.ts';
import { pgRows } from '../source/connection.ts';
import { FAULTS, type Victim } from './fault-kinds.ts';
import { type Lab, NAMES } from './lab.ts';
import type { PipelineChild } from './pipeline-child.ts';
import type { PlannedFault } from './plan.ts';
import type { Proxy } from './proxy.ts';
import { until } from './until.ts';

/** What can be broken. */
export interface Targets {
  readonly lab: Lab;
  readonly pipeline: PipelineChild;
}

/** How a fault went. */
export interface Injected {
  readonly fault: PlannedFault;
  /** False when there was nothing to break: a table not made yet, a fail point never met, no request to lose. */
  readonly tookPlace: boolean;
}

/** How long a fail point is waited for before it is given up, ms. */
const FAIL_POINT_MS = 6_000;
/** How long it runs before it is stopped, to die while it stops, ms. */
const BEFORE_STOP_MS = 2_000;
/** How long another process may take to take over, ms. */
const TAKE_OVER_MS = 60_000;
/** Between two looks for queries to kill, ms. */
const KILL_POLL_MS = 15;
/** ClickHouse's UNKNOWN_DATABASE, UNKNOWN_TABLE. */
const NOT_THERE = new Set([60, 81]);

/** Settings of a table by which ClickHouse refuses inserts. */
const REFUSALS = {
  'clickhouse-parts': 'parts_to_throw_insert = 1, parts_to_delay_insert = 1000000',
  'clickhouse-read-only': 'table_readonly = 1',
} as const;
/** Settings of a statement that do. */
const FORCED = { disk: 'min_free_disk_bytes_to_perform_insert=1000000000000000', memory: 'max_memory_usage=' } as const;
/** MEMORY_LIMIT_EXCEEDED, NOT_ENOUGH_SPACE, TOO_MANY_PARTS, TABLE_IS_PERMANENTLY_READ_ONLY. */
const REFUSED = [241, 243, 252, 774];

/**
 * Runs one fault to its end. Resolves when everything is mended.
 *
 * @throws when something could not be mended.
 */
export async function inject(fault: PlannedFault, targets: Targets): Promise<Injected> {
  const { victim } = FAULTS[fault.kind];
  return { fault, tookPlace: await BY_VICTIM[victim](fault, targets) };
}

/** Faults by victim. Each returns whether it took place. */
const BY_VICTIM: Record<Victim, (fault: PlannedFault, targets: Targets) => Promise<boolean>> = {
  process: onProcess,
  clickhouse: onClickHouse,
  postgres: onPostgres,
  'clickhouse-network': async (fault, { lab }) => {
    if (!fault.kind.endsWith('-memory') && !fault.kind.endsWith('-disk')) return onNetwork(fault, lab.clickhouseProxy);
    return await hasRefused(lab, async () => withForced(lab.clickhouseProxy, fault));
  },
  'postgres-network': async (fault, { lab }) => onNetwork(fault, lab.postgresProxy),
};

async function onProcess({ kind, holdMs, detail }: PlannedFault, { lab, pipeline }: Targets): Promise<boolean> {
  const wasRunning = pipeline.isRunning;
  if (kind === 'zombie') {
    let ended: string[] = [];
    return await pipeline.replace(holdMs, {
      end: async () => {
        ended = await endSessions(lab);
      },
      isFollowed: () => untilFollowed(lab, ended),
    });
  }
  if (kind === 'fail-point') {
    await pipeline.restart('SIGKILL', 0, detail);
    if (FAIL_POINT_TABLE[detail.split(':')[0] as FailPoint].on !== 'stop')
      return await pipeline.diesWithin(FAIL_POINT_MS);
    await sleep(BEFORE_STOP_MS);
    return (await pipeline.restart('SIGTERM', 0)) === 'SIGKILL';
  }
  if (kind === 'freeze') await pipeline.freeze(holdMs);
  else if (kind === 'clock-jump') pipeline.jump();
  else await pipeline.restart(kind === 'kill' ? 'SIGKILL' : 'SIGTERM', holdMs);
  return wasRunning;
}

async function onClickHouse(fault: PlannedFault, { lab }: Targets): Promise<boolean> {
  if (fault.kind === 'clickhouse-kill-query') return await killQueries(lab, fault.holdMs);
  if (fault.kind === 'clickhouse-full') return await hasRefused(lab, async () => fillDisk(lab, fault.holdMs));
  if (fault.kind !== 'clickhouse-kill' && fault.kind !== 'clickhouse-away')
    return await hasRefused(lab, async () => refuse(lab, fault));
  await lab.killClickHouse();
  await sleep(fault.holdMs);
  await lab.startClickHouse();
  return true;
}

/** A table refuses inserts for a while. What it is a target of lands in part. */
async function refuse(lab: Lab, { kind, detail, holdMs }: PlannedFault): Promise<void> {
  const database = detail === 'checkpoint' ? NAMES.internal : NAMES.database;
  const table = `${chIdent(database)}.${chIdent(detail)}`;
  const settings = REFUSALS[kind as keyof typeof REFUSALS];
  const names = settings.split(', ').map((setting) => setting.split(' ')[0]);
  try {
    await lab.onClickHouse(async (client) =>
      ignoringAbsence(client.command(`ALTER TABLE ${table} MODIFY SETTING ${settings}`)),
    );
    await sleep(holdMs);
  } finally {
    await lab.onClickHouse(async (client) =>
      ignoringAbsence(client.command(`ALTER TABLE ${table} RESET SETTING ${names.join(', ')}`)),
    );
  }
}

/** Whether ClickHouse has refused anything meanwhile. It counts its errors from its start. */
async function hasRefused(lab: Lab, action: () => Promise<void>): Promise<boolean> {
  const count = async (): Promise<number> => {
    const [row] = await lab.onClickHouse(async (client) =>
      client.rows<{ n: string }>(`SELECT sum(value) AS n FROM system.errors WHERE code IN (${REFUSED.join(', ')})`),
    );
    return Number(row?.n);
  };
  const before = await count();
  await action();
  return (await count()) !== before;
}

/** In a load that begins anew the table may not be made yet: then there is nothing to break. */
async function ignoringAbsence(statement: Promise<unknown>): Promise<void> {
  try {
    await statement;
  } catch (error) {
    if (error instanceof AppError && NOT_THERE.has(Number(error.details['clickhouseCode']))) return;
    throw error;
  }
}

async function fillDisk({ clickhouseDisk: disk }: Lab, holdMs: number): Promise<void> {
  if (disk === null) return;
  try {
    await disk.fill();
    await sleep(holdMs);
  } finally {
    await disk.empty();
  }
}

/** Kills what runs on behalf of the pipeline, again and again. */
async function killQueries(lab: Lab, holdMs: number): Promise<boolean> {
  const deadline = performance.now() + holdMs;
  let killed = 0;
  while (performance.now() < deadline) {
    const found = await lab.onClickHouse(async (client) =>
      client.rows(`KILL QUERY WHERE http_user_agent NOT LIKE '%chaos%' AND query_kind != 'KillQuery' ASYNC`),
    );
    killed += found.length;
    await sleep(KILL_POLL_MS);
  }
  return killed > 0;
}

async function onPostgres({ kind, holdMs }: PlannedFault, { lab }: Targets): Promise<boolean> {
  if (kind === 'postgres-terminate') {
    return (await endSessions(lab)).length > 0;
  }
  await lab.crashPostgres();
  await sleep(holdMs);
  await lab.startPostgres();
  return true;
}

/** Waits until some process streams from the slot, through a session that is none of those. */
async function untilFollowed(lab: Lab, ended: readonly string[]): Promise<void> {
  const isFollowed = async (): Promise<void> => {
    const rows = await lab.onPostgres(async (client) =>
      pgRows(client, 'SELECT 1 FROM pg_replication_slots WHERE active_pid IS NOT NULL AND active_pid <> ALL($1)', [
        ended,
      ]),
    );
    if (rows.length === 0) throw new Error('nobody streams yet');
  };
  await until(isFollowed, { what: 'another process to take over', timeoutMs: TAKE_OVER_MS });
}

/** Ends the pipeline's sessions on the source, the walsender among them. Returns their pids. */
async function endSessions(lab: Lab): Promise<string[]> {
  const ended = await lab.onPostgres(async (client) =>
    pgRows(
      client,
      `SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'millrace%' AND application_name <> 'millrace traffic'`,
    ),
  );
  return ended.map(({ pid }) => String(pid));
}

async function onNetwork(fault: PlannedFault, proxy: Proxy): Promise<boolean> {
  switch (fault.kind.replace(/^\w+-/, '')) {
    case 'answer': {
      const lost = proxy.loseAnswer(fault.detail);
      await sleep(fault.holdMs);
      return lost.end() > 0;
    }
    case 'cut':
      proxy.cut();
      return true;
    case 'refused':
      proxy.setRefusing(true);
      proxy.cut();
      await sleep(fault.holdMs);
      proxy.setRefusing(false);
      return true;
    default:
      return await withWeather(proxy, fault);
  }
}

async function withForced(proxy: Proxy, { kind, detail, holdMs }: PlannedFault): Promise<void> {
  proxy.setForced(kind.endsWith('-memory') ? `${FORCED.memory}${detail}` : FORCED.disk);
  await sleep(holdMs);
  proxy.setForced(null);
}

async function withWeather(proxy: Proxy, { kind, holdMs, detail }: PlannedFault): Promise<boolean> {
  if (kind.endsWith('-slow')) {
    const [delayMs, pieceBytes] = detail.split('/').map(Number) as [number, number];
    proxy.setWeather({ kind: 'slow', delayMs, pieceBytes });
  } else proxy.setWeather({ kind: kind.endsWith('-stalled') ? 'stalled' : 'silent' });
  await sleep(holdMs);
  proxy.setWeather({ kind: 'clear' });
  return true;
}
