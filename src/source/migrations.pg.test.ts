import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryPostgres } from '../../test/support/databases.ts';
import { connectPostgres, pgRows } from './connection.ts';
import { applyPostgresSchema } from './migrations.ts';

test('GIVEN an empty database WHEN the schema is applied twice, at once THEN it is applied once, as Flyway records it', async () => {
  await using pg = await temporaryPostgres();
  const other = await connectPostgres(pg.url);
  try {
    const applied = await Promise.all([applyPostgresSchema(pg.client), applyPostgresSchema(other)]);
    expect(applied.flat()).toEqual(['V1__create_schema.sql']);
  } finally {
    await other.end();
  }
  expect(
    await pgRows(
      pg.client,
      'SELECT installed_rank, version, description, type, script, success FROM flyway_schema_history',
    ),
  ).toEqual([
    {
      installed_rank: '1',
      version: '1',
      description: 'create schema',
      type: 'SQL',
      script: 'V1__create_schema.sql',
      success: 't',
    },
  ]);
});

test('GIVEN the schema WHEN read from the catalogue THEN it has the columns of the ad platform', async () => {
  await using pg = await temporaryPostgres();
  await applyPostgresSchema(pg.client);
  const columns = await pgRows(
    pg.client,
    `SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
            || CASE WHEN a.atthasdef THEN ' default' ELSE '' END AS line
       FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
      WHERE c.relname IN ('advertiser', 'campaign', 'impressions', 'clicks') AND a.attnum > 0 ORDER BY c.relname, a.attnum`,
  );
  expect(columns.map(({ line }) => line)).toEqual([
    'advertiser.id integer not null default',
    'advertiser.name character varying(255) not null',
    'advertiser.updated_at timestamp without time zone',
    'advertiser.created_at timestamp without time zone default',
    'campaign.id integer not null default',
    'campaign.name character varying(255) not null',
    'campaign.bid numeric(10,2) not null',
    'campaign.budget numeric(10,2) not null',
    'campaign.start_date date',
    'campaign.end_date date',
    'campaign.advertiser_id integer',
    'campaign.updated_at timestamp without time zone',
    'campaign.created_at timestamp without time zone default',
    'clicks.id integer not null default',
    'clicks.campaign_id integer',
    'clicks.created_at timestamp without time zone default',
    'impressions.id integer not null default',
    'impressions.campaign_id integer',
    'impressions.created_at timestamp without time zone default',
  ]);
});

test('GIVEN a file that fails in its second statement WHEN applied THEN nothing of it stays', async () => {
  await using pg = await temporaryPostgres();
  const directory = await mkdtemp(join(tmpdir(), 'migrations-'));
  try {
    await writeFile(join(directory, 'V1__x.sql'), 'CREATE TABLE x (a int); SELECT nope;');
    await expect(applyPostgresSchema(pg.client, directory)).rejects.toMatchObject({ code: 'MIGRATION_FAILED' });
    expect(await pgRows(pg.client, "SELECT to_regclass('x') AS x")).toEqual([{ x: null }]);
    await writeFile(join(directory, 'V1__x.sql'), 'CREATE TABLE x (a int)');
    expect(await applyPostgresSchema(pg.client, directory)).toEqual(['V1__x.sql']);
    await writeFile(join(directory, 'V1__x.sql'), 'CREATE TABLE x (b int)');
    await expect(applyPostgresSchema(pg.client, directory)).rejects.toMatchObject({ code: 'MIGRATION_CHANGED' });
  } finally {
    await rm(directory, { recursive: true });
  }
});
