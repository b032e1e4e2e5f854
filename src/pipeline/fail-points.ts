/**
 * Places at which a test lets the process die, as if the power had gone: `MILLRACE_FAIL_AT=landed:3` kills it
 * the third time it comes to `landed`. Without the variable they cost a comparison.
 */

/**
 * What brings the process to a point: a first start, a load (also of rows that wait for TOAST values), changes, a
 * TRUNCATE, a start after a crash, a stop in order, a table that is built anew beside the one that
 * is read, a mirror that is altered, tables that come, go, or change their names.
 */
export type FailOccasion =
  | 'start'
  | 'load'
  | 'toast'
  | 'changes'
  | 'truncate'
  | 'recovery'
  | 'stop'
  | 'rebuild'
  | 'alter'
  | 'alter-ads'
  | 'tables';

/** The places, in the order of the protocol (docs/exactly-once.md): what brings the process there, and what is so then. */
export const FAIL_POINT_TABLE = {
  'fence-raised': { on: 'start', means: 'Every earlier writer is shut out of the copy, nothing else has happened.' },
  'tables-made': { on: 'start', means: 'The objects of the copy are there, and a state of each table.' },
  'publication-made': { on: 'start', means: 'The publication is there, the slot is not.' },
  'slot-made': { on: 'start', means: 'The slot is there, no checkpoint says so.' },
  'first-checkpoint': { on: 'start', means: 'The first checkpoint is stored, nobody streams.' },
  'taken-over': { on: 'start', means: 'The new writer has stored its epoch, nothing else has happened.' },

  'chunks-planned': { on: 'load', means: 'The chunks of a table are stored, its state still says `waiting`.' },
  'loading-stored': { on: 'load', means: 'A table’s state says `loading`, no chunk is read.' },
  'chunk-read': { on: 'load', means: 'A chunk was read to its end, its last rows were not sent.' },
  'chunk-sent': { on: 'load', means: 'Rows of a chunk are on their way.' },
  'chunk-landed': { on: 'load', means: 'A chunk’s rows are in, the chunk is not recorded.' },
  'chunk-recorded': { on: 'load', means: 'A chunk is recorded as done.' },
  loaded: { on: 'load', means: 'All chunks are in, the position that the stream has to pass is not recorded.' },
  'catching-up-stored': { on: 'load', means: 'That position is recorded, the stream is before it.' },
  'live-stored': { on: 'load', means: 'A table is called live, there are no rollups.' },
  'rollups-built': { on: 'load', means: 'The rollups were built, nothing says so.' },
  'rollups-stored': { on: 'load', means: 'The rollups are said to be live.' },

  'incomplete-noted': { on: 'toast', means: 'Keys of rows that wait for TOAST values are noted, the rows are not in.' },
  'incomplete-completed': { on: 'toast', means: 'Such rows were read again and are in, nothing says so.' },
  'incomplete-settled': { on: 'toast', means: 'They are marked as settled, the table is not live.' },
  'quarantine-stored': {
    on: 'toast',
    means: 'A table is stored as quarantined, the position behind its change is not.',
  },

  resolved: { on: 'changes', means: 'A batch is complete, its old states are read, nothing is written.' },
  planned: { on: 'changes', means: 'A plan was stored, nothing has landed.' },
  sent: { on: 'changes', means: 'Rows of a batch are on their way.' },
  'table-landed': { on: 'changes', means: 'One table of a batch has landed, others may be on their way.' },
  'prices-reloaded': { on: 'changes', means: 'Prices of a batch are in and in force, its events are not in.' },
  'partly-landed': { on: 'changes', means: 'The tables before the events have landed, the events have not.' },
  landed: { on: 'changes', means: 'All pieces have landed, nothing says so.' },
  'reconcile-sent': { on: 'changes', means: 'A reconcile is on its way.' },
  reconciled: { on: 'changes', means: 'Buckets of repriced campaigns are reconciled.' },
  stored: { on: 'changes', means: 'The applied position is stored, not yet confirmed to PostgreSQL.' },
  confirmed: { on: 'changes', means: 'It is confirmed.' },

  'truncate-planned': { on: 'truncate', means: 'A TRUNCATE is announced, nothing is emptied.' },
  'history-ended': { on: 'truncate', means: 'The rows of the mirror have ended in the history, the mirror has them.' },
  truncated: { on: 'truncate', means: 'A mirror was emptied, its rollup was not.' },
  'truncate-reconciled': { on: 'truncate', means: 'The rollup is empty too, nothing says so.' },

  recovered: { on: 'recovery', means: 'What a crash left in doubt was reconciled, nothing says so.' },
  'recovery-stored': { on: 'recovery', means: 'The end of the recovery is stored.' },

  'next-made': { on: 'rebuild', means: 'A mirror is there beside the one that is read, its landing leads to it.' },
  'clone-shown': { on: 'rebuild', means: 'The view reads a clone of the new mirror, the two are not exchanged.' },
  exchanged: { on: 'rebuild', means: 'They are exchanged, the view reads the clone, the landing leads to the other.' },
  'old-mirror-dropped': { on: 'rebuild', means: 'The old mirror is gone, the state says that the new one is built.' },
  'place-taken': { on: 'rebuild', means: 'The state says that the table is live.' },

  'mirror-altered': { on: 'alter', means: 'A clone of a mirror has the new columns, nothing leads to it.' },
  'altered-exchanged': { on: 'alter', means: 'It has the place of the mirror, the view reads another clone.' },

  'ad-feed-ended': {
    on: 'alter-ads',
    means: 'Nothing is fed from a landing table of the ad schema, nothing is altered.',
  },
  'ad-altered': {
    on: 'alter-ads',
    means: 'Mirror and history of the ad schema have the new columns, nothing feeds them.',
  },

  'tables-lined-up': { on: 'tables', means: 'States of tables that were renamed, dropped or asked for are stored.' },
  'mirror-moved': { on: 'tables', means: 'The mirror of a table that was renamed has its new name, its views do not.' },

  stopping: { on: 'stop', means: 'The last work has ended, the last position is not stored.' },
  settled: { on: 'stop', means: 'The last position is stored, not confirmed.' },
} as const satisfies Record<string, { on: FailOccasion; means: string }>;

/** A name in {@link FAIL_POINT_TABLE}. */
export type FailPoint = keyof typeof FAIL_POINT_TABLE;

/** All names, in the order of the protocol. */
export const FAIL_POINTS = Object.keys(FAIL_POINT_TABLE) as readonly FailPoint[];

const [failAt = '', times = '1'] = (process.env['MILLRACE_FAIL_AT'] ?? '').split(':');
let remaining = Number(times);

/** About as long as a request takes to the server and not back, ms. */
const ON_ITS_WAY_MS = 3;

/** Dies here when the environment says so. */
export function failPoint(name: FailPoint): void {
  if (isDue(name)) die();
}

/** Dies while a request that is sent now is on its way. */
export function failPointOnTheWay(name: FailPoint): void {
  if (isDue(name)) setTimeout(die, ON_ITS_WAY_MS);
}

function isDue(name: FailPoint): boolean {
  return name === failAt && --remaining === 0;
}

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}
