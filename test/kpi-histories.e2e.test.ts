/**
 * Any history, any death of the process: every key figure is what plain SQL says on the source, now and as of then.
 *
 * Many histories share one pipeline: each is a few random transactions over all tables (bids that change mid-hour, late events
 * before them, events changed and deleted after, campaigns moved, deleted and made again, tables emptied), often with a kill.
 * After each, every figure is asked in a random way and compared. A new copy begins every so many histories.
 *
 * `TEST_RANDOM_RUNS` says how many histories, `TEST_RANDOM_SEED` where they begin: 40 take about three minutes. With `TEST_KPI_TURNS=3`
 * each history is compared in a third of the figures, in turns: what one left wrong the next ones meet.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { dateByCommit, instant, startAudit } from '../src/chaos/audit.ts';
import { adDifferences } from '../src/chaos/compare.ts';
import {
  type Answer,
  answersOfSource,
  differencesFrom,
  everyKpiDifferences,
  KPI_NAMES,
} from '../src/chaos/oracle/every-kpi.ts';
import { foldedCampaigns } from '../src/chaos/oracle/oracle.ts';
import { formatLsn } from '../src/model/lsn.ts';
import { connectPostgres } from '../src/source/connection.ts';
import { currentLsn } from '../src/source/slot.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse, type TemporaryClickHouse, type TemporaryPostgres } from './support/databases.ts';
import {
  arbitraryHistory,
  askedAround,
  FIRST_STATE,
  type History,
  STATEMENTS,
  type Statement,
} from './support/kpi-histories.ts';
import { PipelineProcess } from './support/process.ts';

const RUNS = Number(process.env['TEST_RANDOM_RUNS'] ?? 2);
const SEED = Number(process.env['TEST_RANDOM_SEED'] ?? 31_415);
/** Histories of one copy: what differs can be tried again by its seed. */
const PER_COPY = 40;
/** Of how many turns one is a history's. */
const TURNS = Number(process.env['TEST_KPI_TURNS'] ?? 1);
/** Of so many histories one is asked again at the end, as of then. */
const REMEMBER_EVERY = 10;

/** A copy that goes through histories. */
interface Stage {
  readonly pg: TemporaryPostgres;
  readonly ch: TemporaryClickHouse;
  readonly pipeline: PipelineProcess;
  /** A second session, for transactions that stay open. */
  readonly other: TemporaryPostgres['client'];
}

/** What the source said of every figure at a position. */
interface Remembered {
  readonly lsn: string;
  readonly answers: readonly Answer[];
}

/** SQLSTATEs that end a random transaction: a key that is there already, a lock that another one has, a dead lock. */
const EXPECTED = new Set(['23505', '55P03', '40P01']);

async function runStatements(client: Stage['other'], statements: readonly Statement[]): Promise<boolean> {
  await client.query("BEGIN; SET LOCAL lock_timeout = '50ms'");
  try {
    for (const { kind, a, b } of statements) {
      const sql = STATEMENTS[kind];
      await client.query(sql, [a, b].slice(0, sql.includes('$2') ? 2 : sql.includes('$1') ? 1 : 0));
    }
    return true;
  } catch (error) {
    if (!EXPECTED.has(String((error as { code?: unknown }).code))) throw error;
    await client.query('ROLLBACK');
    return false;
  }
}

async function runHistory({ pg, pipeline, other }: Stage, { transactions, fault }: History): Promise<void> {
  if (fault !== null && 'at' in fault) {
    await pipeline.end('SIGKILL');
    pipeline.start(`${fault.at}:${fault.times}`);
  } else pipeline.start();
  let isHeld = false;
  for (const [i, { statements, ending }] of transactions.entries()) {
    if (fault !== null && 'signal' in fault && fault.after === i) await pipeline.end(fault.signal);
    const isOther = ending === 'held' && !isHeld;
    const client = isOther ? other : pg.client;
    const isOpen = await runStatements(client, statements);
    if (isOther) {
      isHeld = isOpen;
      continue;
    }
    if (isOpen) await client.query(ending === 'rollback' ? 'ROLLBACK' : 'COMMIT');
    if (isHeld) await other.query('COMMIT');
    isHeld = false;
    await dateByCommit(pg);
  }
  if (isHeld) await other.query('COMMIT');
  await dateByCommit(pg);
}

/** Runs histories on a new copy. Nothing shrinks: what is left behind by one is what the next begins with. */
async function runCopy(seed: number, runs: number): Promise<void> {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_STATE);
  await startAudit(pg);
  await using pipeline = new PipelineProcess(pg, ch, {
    MILLRACE_MIN_FLUSH_INTERVAL_MS: '0',
    MILLRACE_EVENT_HISTORY: 'on',
    MILLRACE_ALERT_INTERVAL: '0',
  });
  await pipeline.caughtUp();
  const other = await connectPostgres(pg.url, { applicationName: 'test' });
  const remembered: Remembered[] = [];
  let histories = 0;
  await fc.assert(
    fc.asyncProperty(arbitraryHistory, async (history) => {
      await runHistory({ pg, ch, pipeline, other }, history);
      await pipeline.caughtUp();
      const asked = askedAround(await instant(pg), history.asked);
      const figures = KPI_NAMES.filter((_, i) => (i + histories) % TURNS === 0);
      const found = await everyKpiDifferences(pg, ch, [asked], { figures });
      expect(found, `history ${histories} of seed ${seed}`).toEqual([]);
      if (histories++ % REMEMBER_EVERY !== 0) return;
      const lsn = formatLsn(await currentLsn(pg.client));
      remembered.push({ lsn, answers: await answersOfSource(pg, [asked]) });
    }),
    { numRuns: runs, seed, endOnFailure: true },
  );
  await other.end();
  expect(await adDifferences(pg, ch)).toEqual([]);
  // What was remembered may lie beyond the last commit that is in the copy.
  await pg.client.query('INSERT INTO clicks (campaign_id) VALUES (1)');
  await pipeline.caughtUp();
  const folded = await foldedCampaigns(pg.client);
  for (const { lsn, answers } of remembered)
    expect(await differencesFrom(ch, answers, { folded, asOf: lsn }), `as of ${lsn}, seed ${seed}`).toEqual([]);
}

const copies = Array.from({ length: Math.ceil(RUNS / PER_COPY) }, (_, i) => ({
  seed: SEED + i,
  runs: Math.min(PER_COPY, RUNS - i * PER_COPY),
}));

test.each(copies)(
  '$runs random histories from seed $seed, stops and kills',
  { timeout: 60_000 + 20_000 * PER_COPY },
  async ({ seed, runs }) => {
    await runCopy(seed, runs);
  },
);
