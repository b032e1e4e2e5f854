import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { millrace } from '../../../test/support/command.ts';
import { temporaryClickHouse, temporaryPostgres } from '../../../test/support/databases.ts';
import { pgRows } from '../../source/connection.ts';

interface Plan {
  postgres: string[];
  clickhouse: string[];
  changes: boolean;
  tables: { table: string; what: string }[];
  findings: { object: string; remedy: string }[];
  makesSlot: boolean;
}

test('GIVEN a source WHEN planned THEN all is told and nothing changed; once applied nothing is left to do', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query('CREATE TABLE a (id int PRIMARY KEY, n int); CREATE UNLOGGED TABLE b (id int PRIMARY KEY)');
  const planned = await millrace(['plan', '--json'], pg, ch);
  expect(planned).toMatchObject({ exitCode: 0, stderr: '' });
  const plan = JSON.parse(planned.stdout) as Plan;
  expect(plan.postgres).toEqual([expect.stringMatching(/^CREATE PUBLICATION "millrace" FOR TABLE ONLY "public"\."a"/)]);
  expect(plan.clickhouse).toEqual(expect.arrayContaining([expect.stringMatching(/CREATE TABLE IF NOT EXISTS .*`a`/)]));
  expect(plan.tables).toMatchObject([
    { table: 'public.a', what: 'is loaded' },
    { table: 'public.b', what: expect.stringContaining('is left out: public.b is unlogged') as string },
  ]);
  expect(plan.findings).toMatchObject([{ object: 'public.b', remedy: 'ALTER TABLE "public"."b" SET LOGGED;' }]);
  expect(await millrace(['plan', '--exit-code'], pg, ch)).toMatchObject({ exitCode: 1 });
  expect(plan.makesSlot).toBe(true);
  expect(await pgRows(pg.client, 'SELECT 1 FROM pg_publication')).toEqual([]);
  const databases = await ch.client.rows(`SELECT name FROM system.databases WHERE startsWith(name, '${ch.database}')`);
  expect(databases).toEqual([]);
  expect(await millrace(['apply'], pg, ch)).toMatchObject({ exitCode: 0 });
  const after = JSON.parse((await millrace(['plan', '--json'], pg, ch)).stdout) as Plan;
  expect(after).toMatchObject({ changes: false, tables: [], postgres: [], clickhouse: [], makesSlot: false });
  expect(await millrace(['plan', '--exit-code'], pg, ch)).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/To be done in the source[^]*nothing to do/) as string,
  });
  await pg.client.query('CREATE TABLE c (id int PRIMARY KEY)');
  expect((await millrace(['plan'], pg, ch)).stdout).toMatch(
    /public\.c is loaded\n[^]*CREATE TABLE[^]*ALTER PUBLICATION/,
  );
});

test('GIVEN a migration WHEN planned THEN its effects are told in words and as JSON, and nobody is asked only with --yes', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query('CREATE TABLE a (id int PRIMARY KEY, n int); INSERT INTO a VALUES (1, 1); ANALYZE a');
  expect(await millrace(['apply'], pg, ch)).toMatchObject({ exitCode: 0 });
  const file = join(await mkdtemp(join(tmpdir(), 'millrace-plan-')), 'V2__wider.sql');
  await writeFile(file, 'ALTER TABLE a ALTER n TYPE text;\nCREATE TABLE b (id int PRIMARY KEY);');
  expect(await millrace(['plan', '--migration', file], pg, ch)).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('--yes') as string,
  });
  const told = await millrace(['plan', '--migration', file, '--yes'], pg, ch);
  expect(told).toMatchObject({ exitCode: 0, stderr: '' });
  expect(told.stdout).toMatch(
    /public\.a is built anew[^]*“n” is Nullable\(Int32\) in the copy[^]*about 1 rows[^]*public\.b is loaded[^]*ALTER PUBLICATION/,
  );
  const json = JSON.parse((await millrace(['plan', '--migration', file, '--yes', '--json'], pg, ch)).stdout) as {
    tables: unknown;
    kpis: unknown;
  };
  expect(json).toMatchObject({ tables: [{ table: 'public.a' }, { table: 'public.b', fate: 'loaded' }], kpis: [] });
  expect(await millrace(['plan', '--migration', `${file}.not`, '--yes'], pg, ch)).toMatchObject({ exitCode: 2 });
});
