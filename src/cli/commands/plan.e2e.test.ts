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
