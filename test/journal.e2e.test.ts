/** ClickHouse is away for long: the journal takes what the source sends, and the copy is exact afterwards. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import type { Lsn } from '../src/model/lsn.ts';
import { currentLsn, inspectSlot } from '../src/source/slot.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import type { TemporaryPostgres } from './support/databases.ts';
import { ownClickHouse } from './support/own-clickhouse.ts';
import { PipelineProcess } from './support/process.ts';
import { waitFor } from './support/wait.ts';

const CHANGES = `
  BEGIN;
  UPDATE impressions SET campaign_id = 1 + id % 4, created_at = created_at - interval '3 hours' WHERE id % 5 = 0;
  UPDATE campaign SET bid = bid + 1 WHERE id IN (1, 2);
  INSERT INTO clicks (campaign_id) SELECT 1 + i % 6 FROM generate_series(1, 300) i;
  DELETE FROM impressions WHERE id % 7 = 0;
  UPDATE clicks SET id = id + 50000 WHERE id % 3 = 0 AND id < 50000;
  COMMIT;
  BEGIN; TRUNCATE clicks; INSERT INTO clicks (campaign_id) SELECT 1 + i % 3 FROM generate_series(1, 50) i; COMMIT;
  INSERT INTO impressions (campaign_id) SELECT 1 + i % 6 FROM generate_series(1, 3000) i`;

async function confirmed(pg: TemporaryPostgres): Promise<Lsn> {
  return (await inspectSlot(pg.client, pg.database))?.confirmedFlushLsn ?? 0n;
}

async function passes(pg: TemporaryPostgres, pipeline: PipelineProcess): Promise<void> {
  const lsn = await currentLsn(pg.client);
  await waitFor(async () => (await confirmed(pg)) >= lsn, { what: `the slot to pass ${lsn}` }).catch(
    (error: unknown) => {
      throw new Error(`the process wrote: ${pipeline.output.slice(-3000)}`, { cause: error });
    },
  );
}

test('GIVEN ClickHouse away WHEN changes go on THEN the slot is drained, also by the next process, and nothing is lost', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await ownClickHouse();
  const journalDir = await mkdtemp(join(tmpdir(), 'millrace-journal-'));
  await using pipeline = new PipelineProcess(pg, ch, {
    MILLRACE_JOURNAL_DIR: journalDir,
    MILLRACE_JOURNAL_MAX_BYTES: String(64 * 2 ** 20),
    MILLRACE_JOURNAL_AFTER_MS: '200',
  });
  await pg.client.query(FIRST_ROWS);
  await pipeline.caughtUp();

  await ch.kill();
  await pg.client.query(CHANGES);
  await passes(pg, pipeline);
  expect(await readdir(join(journalDir, pg.database))).not.toEqual([]);
  // A process that dies with the journal in hand, and the next one finds it before ClickHouse is back.
  await pipeline.end('SIGKILL');
  await pg.client.query(CHANGES);
  pipeline.start();
  await passes(pg, pipeline);
  await pg.client.query(CHANGES);
  await ch.start();
  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
  await waitFor(async () => (await readdir(join(journalDir, pg.database))).length === 0, { what: 'an empty journal' });

  // Killed while it applies the journal: it is applied again.
  await ch.kill();
  await pg.client.query(CHANGES);
  await passes(pg, pipeline);
  await pipeline.end('SIGKILL');
  await ch.start();
  pipeline.start('landed:2');
  await pipeline.died();
  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
  await rm(journalDir, { recursive: true });
});

test('GIVEN a journal that is full WHEN changes go on THEN the source keeps the rest, and nothing is lost', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await ownClickHouse();
  const journalDir = await mkdtemp(join(tmpdir(), 'millrace-journal-'));
  await using pipeline = new PipelineProcess(pg, ch, {
    MILLRACE_JOURNAL_DIR: journalDir,
    MILLRACE_JOURNAL_MAX_BYTES: '65536',
    MILLRACE_JOURNAL_AFTER_MS: '200',
  });
  await pg.client.query(FIRST_ROWS);
  await pipeline.caughtUp();
  await ch.kill();
  const before = await confirmed(pg);
  await pg.client.query(CHANGES);
  await waitFor(async () => (await confirmed(pg)) > before, { what: 'the slot to move' });
  for (let i = 0; i < 4; i++) await pg.client.query(CHANGES);
  await waitFor(() => pipeline.output.includes('the journal is full'), { what: 'the journal to be full' });
  expect(await confirmed(pg)).toBeLessThan(await currentLsn(pg.client));
  await ch.start();
  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
  await rm(journalDir, { recursive: true });
});
