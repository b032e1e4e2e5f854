/** Requests to a running pipeline: clones at one position of the source, rows read again. */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import { type Answer, cloneDatabase, ControlStore, type Repairs } from '../src/destination/control.ts';
import { CONTROL_PREFIX, type ControlMessage, encodeControl } from '../src/model/control.ts';
import { connectPostgres, pgRows } from '../src/source/connection.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse, type TemporaryClickHouse, type TemporaryPostgres } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { presentWriter } from './support/plant.ts';
import { waitFor } from './support/wait.ts';

async function send(client: pg.Client, message: ControlMessage): Promise<void> {
  await client.query('SELECT pg_logical_emit_message(true, $1, $2)', [CONTROL_PREFIX, encodeControl(message)]);
}

function storeOf(pg: TemporaryPostgres, ch: TemporaryClickHouse): ControlStore {
  return new ControlStore(ch.client, { database: ch.database, internal: ch.internal }, pg.database);
}

async function answerTo(store: ControlStore, id: string): Promise<Answer> {
  return await waitFor(() => store.readAnswer(id), { what: 'an answer' });
}

/** Clones the copy at a snapshot of `reader`'s, and returns what that snapshot has. */
async function cloneAt(
  pg: TemporaryPostgres,
  ch: TemporaryClickHouse,
  reader: pg.Client,
): Promise<{ answer: Answer; impressions: string[] }> {
  const store = storeOf(pg, ch);
  const id = randomUUID();
  await store.writeRequest(id, true);
  await ch.client.command(`CREATE DATABASE ${cloneDatabase({ database: ch.database, internal: ch.internal })}`);
  await send(pg.client, { kind: 'hold', id, maxMs: 2000 });
  await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  const [row] = await pgRows(reader, 'SELECT pg_current_snapshot()::text AS snapshot');
  await send(pg.client, { kind: 'snapshot', id, snapshot: row!['snapshot']! });
  const impressions = await pgRows(
    reader,
    "SELECT concat_ws('/', id, campaign_id, to_char(created_at, 'YYYY-MM-DD HH24:MI:SS.US')) AS row FROM impressions ORDER BY id",
  );
  await reader.query('COMMIT');
  return { answer: await answerTo(store, id), impressions: impressions.map(({ row: text }) => text!) };
}

/** Sessions that change events as fast as they can until the returned function is called. */
async function busy(url: string, sessions: number): Promise<() => Promise<void>> {
  const end = new AbortController();
  const work = Array.from({ length: sessions }, async (_, session) => {
    const client = await connectPostgres(url, { applicationName: 'test' });
    for (let i = 0; !end.signal.aborted; i++) {
      await client.query(`INSERT INTO impressions (campaign_id, created_at) VALUES (${1 + (i % 6)}, '2026-01-01')`);
      await client.query(
        `UPDATE impressions SET campaign_id = ${1 + (i % 5)} WHERE id = ${1 + session * 100 + (i % 100)}`,
      );
    }
    await client.end();
  });
  return async () => {
    end.abort();
    await Promise.all(work);
  };
}

test('clones equal the snapshot they were asked for, while others commit', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  const clones = cloneDatabase({ database: ch.database, internal: ch.internal });
  const reader = await connectPostgres(pg.url, { applicationName: 'test' });
  const rest = await busy(pg.url, 3);
  let cloned = 0;
  for (let i = 0; i < 4; i++) {
    const { answer, impressions } = await cloneAt(pg, ch, reader);
    if (answer.kind === 'cloned') {
      cloned++;
      const rows = await ch.client.rows<{ row: string }>(
        `SELECT concat(toString(id), '/', toString(campaign_id), '/', toString(created_at)) AS row
         FROM ${clones}.impressions FINAL ORDER BY id`,
      );
      const inClone = new Set(rows.map(({ row }) => row));
      expect(rows.length).toBe(impressions.length);
      expect(impressions.filter((row) => !inClone.has(row))).toEqual([]);
      expect(answer.tables.toSorted()).toEqual([
        'public.advertiser',
        'public.campaign',
        'public.clicks',
        'public.impressions',
      ]);
    } else {
      expect(answer.reason).toBe('commits did not become visible in their order');
    }
    await ch.client.command(`DROP DATABASE ${clones} SYNC`);
  }
  await rest();
  await reader.end();
  expect(cloned).toBeGreaterThan(0);
  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
});

test('a hold without a snapshot is given up, and nothing is lost', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  const store = storeOf(pg, ch);
  await store.writeRequest('late', true);
  await send(pg.client, { kind: 'hold', id: 'late', maxMs: 50 });
  await pg.client.query('UPDATE impressions SET campaign_id = 3');
  expect((await answerTo(store, 'late')).kind).toBe('refused');
  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
});

/** Damage done behind the pipeline's back, and what repairs it. */
const DAMAGE: Record<string, { sql: (ch: TemporaryClickHouse) => string[]; repairs: Repairs }> = {
  'a row is missing': {
    sql: ({ database }) => [`ALTER TABLE ${database}.impressions DELETE WHERE id = 7 SETTINGS mutations_sync = 1`],
    repairs: { rows: [{ table: 'public.impressions', key: ['7'] }], buckets: [] },
  },
  'a row is there that the source does not have': {
    sql: ({ database }) => [`INSERT INTO ${database}.impressions VALUES (999999, 2, '2026-02-02', 5, 0)`],
    repairs: { rows: [{ table: 'public.impressions', key: ['999999'] }], buckets: [] },
  },
  'a row has other values, and the rollup counts them': {
    sql: ({ database }) => [
      `INSERT INTO ${database}.impressions SELECT id, 6, '2020-02-02', _version, 0 FROM ${database}.impressions WHERE id = 8`,
      `INSERT INTO ${database}.campaign_hourly VALUES (6, '2020-02-02 00:00:00', 1, 0, 0, 0)`,
    ],
    repairs: {
      rows: [{ table: 'public.impressions', key: ['8'] }],
      buckets: [],
    },
  },
  'a bucket is off by one': {
    sql: ({ database }) => [`INSERT INTO ${database}.campaign_hourly VALUES (2, '2026-02-02 03:00:00', 1, 1, 5, 5)`],
    repairs: { rows: [], buckets: [{ campaignId: 2, hour: Date.UTC(2026, 1, 2, 3) / 3_600_000 }] },
  },
  'the history ends with another bid': {
    sql: ({ database }) => [
      `INSERT INTO ${database}.campaign_history SELECT * REPLACE(99 AS bid) FROM ${database}.campaign_history WHERE id = 3 ORDER BY _version DESC LIMIT 1`,
    ],
    repairs: { rows: [{ table: 'public.campaign', key: ['3'] }], buckets: [] },
  },
  'the mirror has another bid': {
    sql: ({ database }) => [
      `INSERT INTO ${database}.campaign SELECT * REPLACE(99 AS bid) FROM ${database}.campaign FINAL WHERE id = 3`,
    ],
    repairs: { rows: [{ table: 'public.campaign', key: ['3'] }], buckets: [] },
  },
  'a campaign was taken for deleted': {
    sql: ({ database }) => [
      `INSERT INTO ${database}.campaign SELECT * REPLACE(_version + 1 AS _version, 1 AS _deleted) FROM ${database}.campaign FINAL WHERE id = 3`,
    ],
    repairs: { rows: [{ table: 'public.campaign', key: ['3'] }], buckets: [] },
  },
};

test('what was damaged is repaired, and followed as if nothing had been', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  await using pipeline = startPipeline(pg, ch);
  const store = storeOf(pg, ch);
  for (const [name, { sql, repairs }] of Object.entries(DAMAGE)) {
    await pipeline.caughtUp();
    const settings = await presentWriter(ch, pg.database);
    for (const statement of sql(ch)) await ch.client.command(statement, { settings });
    expect(await adDifferences(pg, ch), `shows: ${name}`).not.toEqual([]);
    const id = randomUUID();
    await store.writeRequest(id, true);
    await store.writeRepairs(id, repairs);
    await send(pg.client, { kind: 'repair', id });
    expect(await answerTo(store, id)).toMatchObject({ kind: 'repaired', rows: repairs.rows.length });
    expect(await adDifferences(pg, ch), `repaired: ${name}`).toEqual([]);
    await pg.client.query(
      'UPDATE impressions SET campaign_id = 1 + id % 5 WHERE id < 30; DELETE FROM impressions WHERE id = 9',
    );
    await pg.client.query('UPDATE campaign SET bid = bid + 1');
    await pipeline.caughtUp();
    expect(await adDifferences(pg, ch), `after: ${name}`).toEqual([]);
  }
});
