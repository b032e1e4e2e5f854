/** Sessions that end in order because the tables are read anew: nothing is lost, nothing counts twice. */
import { randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import { CONTROL_PREFIX, encodeControl } from '../src/model/control.ts';
import { openLog } from '../src/telemetry/log.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';

/** Asks for another session, from within a transaction or outside of one. */
const ASK = `SELECT pg_logical_emit_message(true, '${CONTROL_PREFIX}', '${encodeControl({ kind: 'reconfigure', id: randomUUID() })}')`;

test('GIVEN traffic WHEN sessions are asked to begin anew, also amid a transaction THEN source and copy stay equal', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  const lines: string[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(String(chunk));
      done();
    },
  });
  await using pipeline = startPipeline(pg, ch, { batchMaxBytes: 64 * 1024, log: openLog({ level: 'info', stream }) });
  await pipeline.caughtUp();
  for (let round = 0; round < 5; round++) {
    await pg.client.query(ASK);
    await pg.client.query(
      `BEGIN; INSERT INTO clicks (campaign_id, created_at) SELECT 1 + i % 5, '2026-01-01' FROM generate_series(1, 2000) i;
       ${ASK}; UPDATE campaign SET bid = bid + 1 WHERE id = 2; DELETE FROM clicks WHERE id % 7 = ${round}; COMMIT`,
    );
    await pg.client.query(`UPDATE impressions SET campaign_id = 3 WHERE id % 11 = ${round}`);
    await pipeline.caughtUp();
    expect(await adDifferences(pg, ch)).toEqual([]);
  }
  expect(lines.filter((line) => line.includes('the tables are read anew')).length).toBeGreaterThan(5);
});
