import { expect, test } from 'vitest';
import { temporaryClickHouse, temporaryPostgres } from '../../test/support/databases.ts';
import { millrace } from '../../test/support/command.ts';
import { CheckpointStore, CLEAN } from '../destination/checkpoint.ts';
import { Fence } from '../destination/fence.ts';
import { migrateClickHouse } from '../destination/schema.ts';
import { TableStateStore } from '../destination/table-state.ts';
import { createSlot } from '../source/slot.ts';
import { readStatus } from './status.ts';

test('GIVEN a load under way WHEN the status is read THEN it tells chunks, rows, positions and the slot', async () => {
  await using postgres = await temporaryPostgres();
  await using copy = await temporaryClickHouse();
  const pipeline = postgres.database;
  await migrateClickHouse(copy.client, copy, { adSchema: false, url: copy.url });
  const fence = new Fence(copy.client, copy, pipeline);
  await fence.raise(1n, 0n);
  const startLsn = await createSlot(postgres.client, pipeline);
  const tables = new TableStateStore(copy.client, copy, pipeline, fence);
  const clicks = {
    table: 'public.clicks',
    target: 'clicks',
    oid: 16_402,
    shape: '',
    building: false,
    build: 0n,
    chosen: '' as const,
    published: '',
    rule: '',
    fromLsn: 0n,
    leaves: '',
    phase: 'loading' as const,
    generation: 2,
    baseVersion: 0n,
    baseTimeUs: 0n,
    filenode: 1n,
    chunksTotal: 3,
    rowsEstimated: 300,
    loadEndLsn: 0n,
    reason: '',
  };
  await tables.writeTable(clicks);
  await tables.writeTable({
    ...clicks,
    table: 'public.poison',
    phase: 'quarantined',
    chunksTotal: 0,
    reason: 'a reason',
  });
  const chunk = { relation: 0, filenode: 0n, fromBlock: 0, toBlock: 9, rows: 100, done: true };
  // The first generation was given up: its rows are not in the copy.
  await tables.writeChunks('public.clicks', 1, [{ ...chunk, chunk: 0, rows: 999 }]);
  await tables.writeChunks('public.clicks', 2, [
    { ...chunk, chunk: 0 },
    { ...chunk, chunk: 1, rows: 50 },
    { ...chunk, chunk: 2, rows: 0, done: false },
  ]);
  await new CheckpointStore(copy.client, copy, pipeline).write({
    epoch: 1n,
    seq: 1n,
    appliedLsn: startLsn,
    commitLsn: startLsn,
    appliedCommitTimeUs: 0n,
    plannedLsn: 0n,
    recovering: false,
    dirty: CLEAN,
    rollupsLive: false,
    sourceId: 'x',
    sourceTimeline: 1,
  });

  const sources = {
    postgres: postgres.client,
    clickhouse: copy.client,
    names: copy,
    slot: pipeline,
    endpoints: { postgres: postgres.url, clickhouse: copy.url },
    walBudget: 2 ** 30,
    walBudgetAction: 'warn' as const,
  };
  const status = await readStatus(sources);

  expect(status).toMatchObject({
    phase: 'stopped',
    slot: { active: false, walStatus: 'reserved', retainedBytes: expect.any(Number) as number },
    appliedLsn: status.confirmedLsn,
    lag: { bytes: expect.any(Number) as number },
    caughtUp: false,
  });
  expect(status.tables).toEqual([
    {
      name: 'public.clicks',
      phase: 'loading',
      building: false,
      rowsLoaded: 150,
      rowsEstimated: 300,
      chunksDone: 2,
      chunksTotal: 3,
      reason: null,
    },
    expect.objectContaining({ name: 'public.poison', phase: 'quarantined', chunksDone: 0, reason: 'a reason' }),
  ]);
  expect(JSON.stringify(status)).not.toContain(new URL(postgres.url).password);

  const gone = { ...postgres, url: postgres.url.replace(/:\d+\//, ':1/') };
  const { stdout, exitCode } = await millrace(['status', '--json'], gone, copy);
  expect(exitCode).toBe(2);
  const { tables: toldTables, appliedLsn } = status;
  expect(JSON.parse(stdout)).toMatchObject({ phase: 'unreachable', tables: toldTables, appliedLsn, slot: null });
  expect((await millrace(['status'], gone, copy)).stdout).toContain('PostgreSQL  unreachable');
});
