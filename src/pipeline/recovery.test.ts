/** The case tables of docs/exactly-once.md, row by row. */
import { describe, expect, test } from 'vitest';
import { type CheckpointFacts, decide, type Facts, type SlotFacts } from './recovery.ts';

const CHECKPOINT: CheckpointFacts = {
  appliedLsn: 1000n,
  commitLsn: 990n,
  plannedLsn: 0n,
  recovering: false,
  isClean: true,
  rollupsLive: true,
  sourceId: '7/shop',
  timeline: 2,
};

const SLOT: SlotFacts = {
  name: 'millrace',
  active: false,
  activePid: null,
  plugin: 'pgoutput',
  database: 'shop',
  confirmedFlushLsn: 1000n,
  walStatus: 'reserved',
  invalidationReason: null,
};

type Change = {
  checkpoint?: Partial<CheckpointFacts> | null;
  slot?: Partial<SlotFacts> | null;
  source?: Partial<Facts['source']>;
  journal?: Facts['journal'];
  copy?: Partial<Facts['copy']>;
};

function facts(change: Change): Facts {
  return {
    checkpoint: change.checkpoint === null ? null : { ...CHECKPOINT, ...change.checkpoint },
    slot: change.slot === null ? null : { ...SLOT, ...change.slot },
    source: {
      sourceId: '7/shop',
      database: 'shop',
      endLsn: 5000n,
      reachableLsn: 5000n,
      timeline: 2,
      ancestors: [{ timeline: 1, endLsn: 300n }],
      idsFell: false,
      ...change.source,
    },
    journal: change.journal ?? null,
    copy: { strangeRows: null, missing: [], newestVersion: 980n, newestCounted: 980n, ...change.copy },
  };
}

const CONTINUE = { kind: 'continue' };
const resync = (code: string) => ({ kind: 'resync', code });
const refuse = (code: string) => ({ kind: 'refuse', code });

describe('slot and checkpoint', () => {
  const cases: [row: string, change: Change, decision: object][] = [
    ['nothing is there', { checkpoint: null, slot: null }, { kind: 'first start' }],
    ['a slot without a checkpoint', { checkpoint: null }, { kind: 'remake slot' }],
    ['both, slot at it', {}, CONTINUE],
    ['both, slot behind it', { slot: { confirmedFlushLsn: 10n } }, CONTINUE],
    ['slot ahead', { slot: { confirmedFlushLsn: 1001n } }, resync('SLOT_AHEAD')],
    [
      'slot ahead, the journal goes on',
      { slot: { confirmedFlushLsn: 1500n }, journal: { fromLsn: 900n, toLsn: 1500n } },
      CONTINUE,
    ],
    [
      'slot ahead of the journal',
      { slot: { confirmedFlushLsn: 1501n }, journal: { fromLsn: 900n, toLsn: 1500n } },
      resync('SLOT_AHEAD'),
    ],
    [
      'journal begins behind a gap',
      { slot: { confirmedFlushLsn: 1500n }, journal: { fromLsn: 1001n, toLsn: 1500n } },
      resync('SLOT_AHEAD'),
    ],
    [
      'log ends before the journal',
      { source: { endLsn: 1400n }, journal: { fromLsn: 900n, toLsn: 1500n } },
      resync('SOURCE_REWOUND'),
    ],
    ['slot gone, the journal goes on', { slot: null, journal: { fromLsn: 900n, toLsn: 1500n } }, resync('SLOT_LOST')],
    ['slot gone', { slot: null }, resync('SLOT_LOST')],
    ['slot lost', { slot: { walStatus: 'lost' } }, resync('SLOT_LOST')],
    ['slot invalidated', { slot: { invalidationReason: 'idle_timeout' } }, resync('SLOT_LOST')],
    ['slot without a position', { slot: { confirmedFlushLsn: null } }, resync('SLOT_LOST')],
    ['slot in use', { slot: { active: true, activePid: 4 } }, refuse('SLOT_BUSY')],
    ['slot in use, nothing else', { checkpoint: null, slot: { active: true } }, refuse('SLOT_BUSY')],
    ['slot of another plugin', { checkpoint: null, slot: { plugin: 'wal2json' } }, refuse('SLOT_FOREIGN')],
    ['slot of another database', { slot: { database: 'other' } }, refuse('SLOT_FOREIGN')],
    ['another source', { source: { sourceId: '8/shop' } }, refuse('SOURCE_CHANGED')],
    ['rows without a checkpoint', { checkpoint: null, copy: { strangeRows: 'ads.x' } }, refuse('NOT_EMPTY')],
    ['log ends before the checkpoint', { source: { endLsn: 999n } }, resync('SOURCE_REWOUND')],
    ['log ends before it, slot gone too', { slot: null, source: { endLsn: 999n } }, resync('SOURCE_REWOUND')],
    ['log goes on past it, ids fell back', { source: { idsFell: true } }, resync('SOURCE_REWOUND')],
    ['ids fell, timeline not known', { checkpoint: { timeline: 0 }, source: { idsFell: true } }, CONTINUE],
    [
      'promoted behind all that was applied',
      { checkpoint: { timeline: 1 }, source: { ancestors: [{ timeline: 1, endLsn: 1000n }] } },
      CONTINUE,
    ],
    [
      'promoted, ids fell',
      { checkpoint: { timeline: 1 }, source: { ancestors: [{ timeline: 1, endLsn: 1000n }], idsFell: true } },
      CONTINUE,
    ],
    [
      'promoted before it',
      { checkpoint: { timeline: 1 }, source: { ancestors: [{ timeline: 1, endLsn: 999n }] } },
      resync('SOURCE_REWOUND'),
    ],
    [
      'promoted, more had landed',
      {
        checkpoint: { timeline: 1 },
        source: { ancestors: [{ timeline: 1, endLsn: 1000n }] },
        copy: { newestVersion: 990n },
      },
      resync('SOURCE_REWOUND'),
    ],
    ['another branch', { checkpoint: { timeline: 3 } }, resync('SOURCE_REWOUND')],
    ['a mirror is missing', { copy: { missing: ['ads.clicks'] } }, resync('COPY_DAMAGED')],
    ['tables newer than the checkpoint', { copy: { newestCounted: 1001n } }, resync('COPY_DAMAGED')],
    ['tables newer, but planned', { checkpoint: { plannedLsn: 1001n }, copy: { newestCounted: 1001n } }, CONTINUE],
    [
      'tables newer, rollups not built',
      { checkpoint: { rollupsLive: false }, copy: { newestCounted: 1001n } },
      CONTINUE,
    ],
  ];
  test.each(cases)('%s', (_row, change, decision) => {
    expect(decide(facts(change))).toMatchObject(decision);
  });
});

describe('what is in doubt', () => {
  const cases: [row: string, checkpoint: Partial<CheckpointFacts>, mode: string, until: bigint | null][] = [
    ['rollups not built', { rollupsLive: false, plannedLsn: 2000n }, 'load', null],
    ['no plan', {}, 'deltas', null],
    ['a plan up to the position', { plannedLsn: 1000n }, 'deltas', null],
    ['a plan behind it', { plannedLsn: 1010n }, 'tracked', 1010n],
    ['a plan behind the end of the log', { plannedLsn: 9000n }, 'tracked', 5000n],
    ['a recovery cut short', { recovering: true }, 'tracked', 1000n],
    ['buckets to reconcile', { isClean: false }, 'tracked', 1000n],
  ];
  test.each(cases)('%s', (_row, checkpoint, mode, recoverUntil) => {
    expect(decide(facts({ checkpoint }))).toEqual({ kind: 'continue', mode, recoverUntil });
  });

  test('GIVEN the source wrote nothing since WHEN a plan reaches ahead THEN nothing is in doubt', () => {
    const found = facts({ checkpoint: { plannedLsn: 9000n }, source: { endLsn: 1000n, reachableLsn: 1000n } });
    expect(decide(found)).toEqual({ kind: 'continue', mode: 'deltas', recoverUntil: null });
  });
});
