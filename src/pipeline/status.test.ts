import { describe, expect, test } from 'vitest';
import { CLEAN, type Checkpoint } from '../destination/checkpoint.ts';
import type { SlotState } from '../source/slot.ts';
import { concludeStatus, type Observations, type TableStatus } from './status.ts';

const TABLE: TableStatus = {
  name: 'public.clicks',
  phase: 'live',
  building: false,
  rowsLoaded: 10,
  rowsEstimated: 10,
  chunksDone: 1,
  chunksTotal: 1,
  reason: null,
};

function slotAt(confirmedFlushLsn: bigint, active = true): SlotState {
  return {
    name: 'millrace',
    plugin: 'pgoutput',
    database: 'shop',
    active,
    activePid: active ? 1 : null,
    confirmedFlushLsn,
    restartLsn: confirmedFlushLsn,
    walStatus: 'reserved',
    retainedBytes: 0x100n,
    safeWalSize: null,
    invalidationReason: null,
  };
}

function appliedTo(appliedLsn: bigint, appliedCommitTimeUs = 0n): Checkpoint {
  return {
    epoch: 1n,
    seq: 1n,
    appliedLsn,
    commitLsn: appliedLsn,
    appliedCommitTimeUs,
    plannedLsn: 0n,
    recovering: false,
    dirty: CLEAN,
    rollupsLive: true,
    sourceId: 'x',
    sourceTimeline: 1,
  };
}

function conclude(seen: Partial<Observations>) {
  const nothing = { sourceLsn: 0x1000n, sourceTimeUs: 60_000_000n, slot: null, checkpoint: null, tables: [] };
  const unheard = { pipeline: null, postgresError: null, clickhouseError: null, wal: null };
  return concludeStatus({ ...nothing, ...unheard, ...seen });
}

describe('concludeStatus', () => {
  test('GIVEN nothing was set up THEN it is new, and nothing is claimed', () => {
    expect(conclude({})).toEqual({
      phase: 'new',
      tables: [],
      confirmedLsn: null,
      appliedLsn: null,
      lag: { bytes: null, seconds: null },
      slot: null,
      caughtUp: false,
      postgresError: null,
      clickhouseError: null,
      pipeline: null,
      wal: null,
    });
  });

  test.each([
    { why: 'a table loads', phase: 'loading' as const, active: true, expected: 'loading' },
    { why: 'a table catches up', phase: 'catching_up' as const, active: true, expected: 'loading' },
    { why: 'all are live', phase: 'live' as const, active: true, expected: 'live' },
    { why: 'the rest is live', phase: 'quarantined' as const, active: true, expected: 'live' },
    { why: 'nobody streams', phase: 'live' as const, active: false, expected: 'stopped' },
  ])('GIVEN $why THEN the phase is $expected', ({ phase, active, expected }) => {
    const tables = [TABLE, { ...TABLE, name: 'public.other', phase }];
    expect(conclude({ tables, slot: slotAt(0x1000n, active), checkpoint: appliedTo(0x1000n) }).phase).toBe(expected);
  });

  test('GIVEN the copy is behind THEN lag counts bytes and time, and it is not caught up', () => {
    const status = conclude({ tables: [TABLE], slot: slotAt(0x800n), checkpoint: appliedTo(0x900n, 58_500_000n) });
    expect(status).toMatchObject({ lag: { bytes: 0x700, seconds: 1.5 }, caughtUp: false });
    expect(status).toMatchObject({ appliedLsn: '0/900', confirmedLsn: '0/800' });
  });

  test('GIVEN only foreign WAL came after the last applied change THEN the confirmed position counts', () => {
    const status = conclude({ tables: [TABLE], slot: slotAt(0x1000n), checkpoint: appliedTo(0x900n, 1n) });
    expect(status).toMatchObject({ lag: { bytes: 0, seconds: 0 }, caughtUp: true });
  });

  test('GIVEN ClickHouse does not answer THEN what PostgreSQL knows is told, and nothing is claimed', () => {
    const status = conclude({ slot: slotAt(0x800n), clickhouseError: 'connect ECONNREFUSED' });
    expect(status).toMatchObject({ phase: 'unreachable', confirmedLsn: '0/800', caughtUp: false });
    expect(status).toMatchObject({ slot: { active: true, retainedBytes: 0x100 }, lag: { bytes: null } });
  });

  test('GIVEN a source that cannot be asked THEN the copy is told of, and no lag', () => {
    const unknown = { sourceLsn: null, sourceTimeUs: null, postgresError: 'connect ECONNREFUSED' };
    const status = conclude({ ...unknown, tables: [TABLE], checkpoint: appliedTo(0x800n, 1n) });
    const lag = { bytes: null, seconds: null };
    expect(status).toMatchObject({ phase: 'unreachable', appliedLsn: '0/800', tables: [TABLE], lag, caughtUp: false });
  });

  test('GIVEN a table still loads THEN it is not caught up, whatever the position', () => {
    const tables = [{ ...TABLE, phase: 'loading' as const }];
    expect(conclude({ tables, slot: slotAt(0x1000n), checkpoint: appliedTo(0x1000n) }).caughtUp).toBe(false);
  });
});
