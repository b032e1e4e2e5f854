/** A wait shows its reason: what fails and is tried again is in the log, in the progress, and in `millrace status`. */
import { expect, test } from 'vitest';
import { readHeartbeat } from '../src/pipeline/read-heartbeat.ts';
import { pgRows } from '../src/source/connection.ts';
import { millrace } from './support/command.ts';
import { temporaryClickHouse, type TemporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { waitFor } from './support/wait.ts';

/** A view that refuses every insert into a landing table. */
async function refuseInserts({ client, internal }: TemporaryClickHouse, table: string): Promise<void> {
  await client.command(`CREATE TABLE ${internal}.nowhere (x UInt8) ENGINE = Null`);
  await client.command(
    `CREATE MATERIALIZED VIEW ${internal}.refuse TO ${internal}.nowhere AS
     SELECT throwIf(1, 'refused on purpose') AS x FROM ${internal}.${table}_in`,
  );
}

test('GIVEN ClickHouse refuses an insert WHEN the pipeline tries again THEN status tells what, why, how often and when, until it is in', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query('CREATE TABLE item (id int PRIMARY KEY, n int)');
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  await refuseInserts(ch, 'item');
  await pg.client.query('INSERT INTO item VALUES (1, 1)');

  const pipelineVitals = async () => await readHeartbeat(ch.client, ch, pg.database);
  const retrying = await waitFor(async () => (await pipelineVitals())?.retrying, { what: 'the heartbeat to tell it' });
  expect(retrying).toMatchObject({ what: `insert into ${ch.internal}.item_in`, code: 'CLICKHOUSE_FAILED' });
  expect(retrying.message).toContain('refused on purpose');
  expect(retrying.attempt).toBeGreaterThan(0);
  const { stdout, exitCode } = await millrace(['status'], pg, ch);
  expect({ stdout, exitCode }).toEqual({
    stdout: expect.stringMatching(/retrying {4}insert into [\s\S]*because {5}.*refused on purpose/) as string,
    exitCode: 0,
  });

  await ch.client.command(`DROP TABLE ${ch.internal}.refuse SYNC`);
  await pipeline.caughtUp();
  await waitFor(async () => (await pipelineVitals())?.retrying === null, { what: 'the heartbeat to be calm again' });
  expect(await pgRows(pg.client, 'SELECT id, n FROM item')).toEqual([{ id: '1', n: '1' }]);
  expect(await ch.client.rows(`SELECT id, n FROM ${ch.database}.item_current`)).toEqual([{ id: 1, n: 1 }]);
});
