/** What the README asks of the source's role is enough: no superuser, no ownership. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import { pgIdent } from '../src/model/quote.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { waitFor } from './support/wait.ts';
import { ask } from './support/ask-tables.ts';
import { TableStateStore } from '../src/destination/table-state.ts';

test('a role with REPLICATION and SELECT replicates, when the owner has made the publication', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  const role = `reader_${randomBytes(4).toString('hex')}`;
  const password = randomBytes(12).toString('hex');
  await pg.client.query(`CREATE ROLE ${pgIdent(role)} LOGIN REPLICATION PASSWORD '${password}';
    GRANT USAGE ON SCHEMA public TO ${pgIdent(role)}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${pgIdent(role)};
    CREATE PUBLICATION millrace FOR TABLE advertiser, campaign, impressions, clicks WITH (publish_via_partition_root = true);
    INSERT INTO advertiser (name) VALUES ('A'); INSERT INTO campaign (name, bid, budget) VALUES ('c', 1, 2);
    INSERT INTO impressions (campaign_id) SELECT 1 FROM generate_series(1, 1000)`);
  const url = new URL(pg.url);
  url.username = role;
  url.password = password;
  try {
    await using pipeline = startPipeline(pg, ch, { postgresUrl: url.toString() });
    await pipeline.caughtUp();
    await pg.client.query('INSERT INTO clicks (campaign_id) VALUES (1); DELETE FROM impressions WHERE id % 2 = 0');
    await pipeline.caughtUp();
    expect(await adDifferences(pg, ch)).toEqual([]);
    await pipeline.stop();
  } finally {
    await pg.client.query(`DROP OWNED BY ${pgIdent(role)}; DROP ROLE ${pgIdent(role)}`);
  }
});

test('GIVEN a publication of another role WHEN a table comes that it lacks THEN that table alone is quarantined, with what its owner must say, which helps', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  const role = `reader_${randomBytes(4).toString('hex')}`;
  const password = randomBytes(12).toString('hex');
  await pg.client.query(`CREATE ROLE ${pgIdent(role)} LOGIN REPLICATION PASSWORD '${password}';
    GRANT USAGE ON SCHEMA public TO ${pgIdent(role)}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${pgIdent(role)};
    CREATE PUBLICATION millrace FOR TABLE advertiser, campaign, impressions, clicks WITH (publish_via_partition_root = true)`);
  const url = new URL(pg.url);
  url.username = role;
  url.password = password;
  const phaseOf = async (): Promise<{ phase: string; reason: string } | undefined> =>
    (
      await new TableStateStore(ch.client, { database: ch.database, internal: ch.internal }, pg.database).readTables()
    ).get('public.extra');
  try {
    await using pipeline = startPipeline(pg, ch, { postgresUrl: url.toString(), catalogPollMs: 100 });
    await pipeline.caughtUp();
    await pg.client.query(
      `CREATE TABLE extra (id int PRIMARY KEY); GRANT SELECT ON extra TO ${pgIdent(role)}; INSERT INTO extra VALUES (1)`,
    );
    await waitFor(async () => (await phaseOf())?.phase === 'quarantined', { what: 'the table to be quarantined' });
    const sql = 'ALTER PUBLICATION "millrace" ADD TABLE "public"."extra"';
    expect((await phaseOf())?.reason).toContain(`${sql}, then`);
    await pg.client.query("INSERT INTO advertiser (name) VALUES ('B')");
    await pipeline.caughtUp();
    expect(await adDifferences(pg, ch)).toEqual([]);
    await pg.client.query(sql);
    expect(await ask(pg, ch, 'resync', ['public.extra'])).toMatchObject({ status: 'done' });
    await waitFor(async () => (await phaseOf())?.phase === 'live', { what: 'the table to be live' });
    await pg.client.query('INSERT INTO extra VALUES (2)');
    await pipeline.caughtUp();
    expect(await ch.client.rows(`SELECT id FROM ${ch.database}.extra_current ORDER BY id`)).toEqual([
      { id: 1 },
      { id: 2 },
    ]);
    await pipeline.stop();
  } finally {
    await pg.client.query(`DROP OWNED BY ${pgIdent(role)}; DROP ROLE ${pgIdent(role)}`);
  }
});
