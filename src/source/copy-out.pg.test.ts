import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { temporaryPostgres } from '../../test/support/databases.ts';
import { readTables } from './catalog.ts';
import { chunkQuery, planChunks } from './chunks.ts';
import { connectPostgres, pgRows } from './connection.ts';
import { copyOut, type CopyOutOptions } from './copy-out.ts';
import { COPY_DATA, FRAME_HEADER, frameSize } from './frames.ts';

/** Rows of a table of 20 000, in blocks of which some hold none. */
const ITEMS = `
  CREATE TABLE item (id int PRIMARY KEY, body text);
  INSERT INTO item SELECT i, repeat('x', i % 300) FROM generate_series(1, 20000) i;
  DELETE FROM item WHERE id BETWEEN 4000 AND 9000;
  ANALYZE item`;

/** Copies as text and returns the lines; `wait` holds some of the reads. */
async function copyLines(client: Client, sql: string, options: CopyOutOptions & { wait?: () => Promise<void> } = {}) {
  const lines: string[] = [];
  let runs = 0;
  let held = 0;
  const outcome = await copyOut(
    client,
    sql,
    (bytes, start, end) => {
      runs += 1;
      for (let offset = start; offset < end; offset += frameSize(bytes, offset)) {
        expect(bytes[offset]).toBe(COPY_DATA);
        lines.push(bytes.toString('utf8', offset + FRAME_HEADER, offset + frameSize(bytes, offset) - 1));
      }
      if (options.wait === undefined || Math.random() < 0.5) return;
      held += 1;
      return options.wait();
    },
    options,
  );
  return { outcome, lines, runs, held };
}

describe('copyOut', () => {
  test('GIVEN random pauses THEN every row comes once and the session can be used again', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query(ITEMS);
    const { outcome, lines, runs, held } = await copyLines(
      pg.client,
      'COPY (SELECT id, body FROM item ORDER BY id) TO STDOUT',
      {
        wait: () => delay(2),
      },
    );
    expect(outcome).toBe('copied');
    expect(held).toBeGreaterThan(3);
    expect(runs).toBeLessThan(lines.length / 10);
    const expected = await pgRows(pg.client, 'SELECT id, body FROM item ORDER BY id');
    expect(lines).toEqual(expected.map((row) => `${row['id']}\t${row['body']}`));
  });

  test('GIVEN all chunks of a plan THEN together they hold every row once', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query(ITEMS);
    const [table] = await readTables(pg.client);
    for (const size of [{ chunkBytes: 100_000 }, { chunkBytes: 1 }, { targetRows: 3000 }]) {
      const plan = await planChunks(pg.client, table!, size);
      expect(plan.estimatedRows).toBe(14_999);
      const ids: number[] = [];
      for (const chunk of plan.chunks) {
        const sql = chunkQuery(table!, chunk).replace('FORMAT binary', 'FORMAT text');
        const { lines } = await copyLines(pg.client, sql, {
          unlessRewritten: { relation: table!, filenode: plan.filenode },
        });
        for (const line of lines) ids.push(Number(line.split('\t')[0]));
      }
      expect(new Set(ids).size).toBe(14_999);
      expect(ids).toHaveLength(14_999);
    }
  });

  test('GIVEN an empty table THEN there is no chunk', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query('CREATE TABLE item (id int PRIMARY KEY)');
    const [table] = await readTables(pg.client);
    expect(await planChunks(pg.client, table!, { chunkBytes: 1000 })).toMatchObject({
      chunks: [],
      estimatedRows: null,
    });
  });

  test.each(['TRUNCATE item', 'VACUUM FULL item', 'ALTER TABLE item ALTER id TYPE bigint'])(
    'GIVEN %s since the plan THEN the copy says so',
    async (rewrite) => {
      await using pg = await temporaryPostgres();
      await pg.client.query(ITEMS);
      const [table] = await readTables(pg.client);
      const plan = await planChunks(pg.client, table!, { chunkBytes: 100_000 });
      await pg.client.query(rewrite);
      const { outcome, lines } = await copyLines(pg.client, chunkQuery(table!, plan.chunks[0]!), {
        unlessRewritten: { relation: table!, filenode: plan.filenode },
      });
      expect({ outcome, lines }).toEqual({ outcome: 'rewritten', lines: [] });
      expect(await pgRows(pg.client, 'SELECT 1 AS one')).toEqual([{ one: '1' }]);
    },
  );

  test('GIVEN an error of the server halfway THEN it is told and the session can be used again', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query(ITEMS);
    const copy = copyLines(pg.client, 'COPY (SELECT 1 / (15000 - id) FROM item) TO STDOUT');
    await expect(copy).rejects.toMatchObject({ code: 'POSTGRES_FAILED', details: { sqlState: '22012' } });
    expect(await pgRows(pg.client, 'SELECT 1 AS one')).toEqual([{ one: '1' }]);
  });

  test('GIVEN a consumer that fails THEN its error is told', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query(ITEMS);
    for (const onFrames of [
      () => Promise.reject(new TypeError('a bug')),
      () => {
        throw new TypeError('a bug');
      },
    ]) {
      const client = await connectPostgres(pg.url);
      await expect(copyOut(client, 'COPY item TO STDOUT', onFrames)).rejects.toMatchObject({ code: 'INTERNAL' });
      await client.end();
    }
  });

  test('GIVEN an aborted signal WHEN held THEN it rejects with the reason', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query(ITEMS);
    const client = await connectPostgres(pg.url);
    const abort = new AbortController();
    const copy = copyOut(
      client,
      'COPY (SELECT * FROM item, generate_series(1, 50)) TO STDOUT',
      () => {
        abort.abort();
        return new Promise(() => undefined);
      },
      { signal: abort.signal },
    );
    await expect(copy).rejects.toMatchObject({ name: 'AbortError' });
    await client.end();
  });
});
