import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { millrace } from '../../../test/support/command.ts';
import { temporaryClickHouse, temporaryPostgres } from '../../../test/support/databases.ts';
import { postgresMajor } from '../../../test/support/postgres-version.ts';
import { loadConfig } from '../../config/load.ts';

const TABLES = `CREATE SCHEMA billing; CREATE TABLE billing.invoice (id int PRIMARY KEY, amount numeric);
  CREATE TABLE users (email text PRIMARY KEY, password_digest text, birth_date date, last_ip inet, tags text[], n int);
  CREATE TABLE "Odd # name" (id int PRIMARY KEY, "true" text, phone text); CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY);
  CREATE TABLE orders (id int PRIMARY KEY, price numeric(10,2), total numeric(12,2) GENERATED ALWAYS AS (price * 2) ${(await postgresMajor()) < 18 ? 'STORED' : 'VIRTUAL'});
  INSERT INTO users VALUES ('a'), ('b'); ANALYZE users`;

test('GIVEN a source WHEN init proposes THEN the file is valid as it is and with all its suggestions, and is not replaced unasked', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(TABLES);
  const directory = await mkdtemp(join(tmpdir(), 'millrace-init-'));
  const file = join(directory, 'millrace.yaml');
  expect(await millrace(['init', file], pg, ch)).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining('5 tables') as string,
  });
  const text = await readFile(file, 'utf8');
  expect(text).toMatch(/^# yaml-language-server: \$schema=.*docs\/millrace\.schema\.json\n/);
  expect(text).toMatch(/public\.users: 2 rows, .*columns that look personal/);
  expect(text).toContain('total: { computed: "…" } # in SQL of ClickHouse; in PostgreSQL: (price * (2)::numeric)');
  const config = await loadConfig({ flags: {}, env: {}, cwd: directory });
  expect(config.includeTables).toEqual(['billing.*', 'public.*']);
  expect(config.tables).toEqual([{ match: 'public.scratch', exclude: true }]);
  const taken = text.replaceAll(/^# {3}(?=[ -])/gm, '  ').replaceAll(/^# Further.*\n/gm, '');
  const second = await mkdtemp(join(tmpdir(), 'millrace-init-'));
  await writeFile(join(second, 'millrace.yaml'), taken);
  const all = await loadConfig({ flags: {}, env: { MILLRACE_MASK_SALT: 'a salt of some length' }, cwd: second });
  expect(all.tables).toEqual(
    expect.arrayContaining([
      { match: 'public.orders', columns: { total: { computed: '…' } } },
      { match: 'billing.invoice', columns: { amount: { as: 'decimal(38,9)' } } },
      {
        match: 'public.users',
        columns: {
          email: { mask: 'hash' }, password_digest: { exclude: true }, birth_date: { mask: null }, last_ip: { mask: 'truncate(7)' }, tags: { as: 'array' },
        },
      },
      { match: 'public.Odd # name', columns: { phone: { mask: 'truncate(3)' } } },
    ]),
  ); // prettier-ignore
  expect(await millrace(['init', file], pg, ch)).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('--yes') as string,
  });
  expect(await readFile(file, 'utf8')).toBe(text);
});
