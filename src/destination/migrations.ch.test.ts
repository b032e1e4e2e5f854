import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { temporaryClickHouse } from '../../test/support/databases.ts';
import type { ClickHouse } from './client.ts';
import { applyMigrations } from './migrations.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'migrations-'));
});
afterEach(async () => rm(directory, { recursive: true }));

const write = (name: string, text: string) => writeFile(join(directory, name), text);
const apply = (ch: { client: ClickHouse; internal: string }, more: Record<string, string> = {}) =>
  applyMigrations(ch.client, { directory, internal: ch.internal, placeholders: { internal: ch.internal, ...more } });

test('GIVEN files WHEN applied twice THEN the second time nothing is due', async () => {
  await using ch = await temporaryClickHouse();
  await write(
    'V1__t.sql',
    "CREATE TABLE ${internal}.t (a Int32) ENGINE = Memory COMMENT 'a;b';\nINSERT INTO ${internal}.t VALUES (1);",
  );
  await write('R__v.sql', 'CREATE OR REPLACE VIEW ${internal}.v AS SELECT a + 1 AS b FROM ${internal}.t');
  expect(await apply(ch)).toEqual(['V1__t.sql', 'R__v.sql']);
  expect(await apply(ch)).toEqual([]);
  expect(await ch.client.rows(`SELECT b FROM ${ch.internal}.v`)).toEqual([{ b: '2' }]);
});

test('GIVEN a repeatable file WHEN it or a placeholder changes THEN it is applied again', async () => {
  await using ch = await temporaryClickHouse();
  await write('R__v.sql', 'CREATE OR REPLACE VIEW ${internal}.v AS SELECT ${n} AS n');
  await apply(ch, { n: '1' });
  expect(await apply(ch, { n: '2' })).toEqual(['R__v.sql']);
  expect(await apply(ch, { n: '2' })).toEqual([]);
  await write('R__v.sql', '-- always applied\nCREATE OR REPLACE VIEW ${internal}.v AS SELECT ${n} AS n');
  await apply(ch, { n: '2' });
  expect(await apply(ch, { n: '2' })).toEqual(['R__v.sql']);
});

test('GIVEN an applied versioned file WHEN it was changed THEN nothing is applied', async () => {
  await using ch = await temporaryClickHouse();
  await write('V1__t.sql', 'SELECT 1');
  await apply(ch);
  await write('V1__t.sql', 'SELECT 2');
  await write('V2__t.sql', 'CREATE TABLE ${internal}.t (a Int32) ENGINE = Memory');
  await expect(apply(ch)).rejects.toMatchObject({ code: 'MIGRATION_CHANGED' });
  expect(await ch.client.rows(`EXISTS TABLE ${ch.internal}.t`)).toEqual([{ result: 0 }]);
});

test('GIVEN a statement that fails WHEN applied THEN its file and number are told, and the file is due again', async () => {
  await using ch = await temporaryClickHouse();
  await write('V1__t.sql', 'CREATE TABLE IF NOT EXISTS ${internal}.t (a Int32) ENGINE = Memory; SELECT nope');
  await expect(apply(ch)).rejects.toMatchObject({
    code: 'MIGRATION_FAILED',
    message: expect.stringContaining('V1__t.sql, statement 2'),
  });
  await write('V1__t.sql', 'CREATE TABLE IF NOT EXISTS ${internal}.t (a Int32) ENGINE = Memory; SELECT 1');
  expect(await apply(ch)).toEqual(['V1__t.sql']);
});

test('GIVEN a placeholder without a value WHEN applied THEN nothing is applied', async () => {
  await using ch = await temporaryClickHouse();
  await write('V1__t.sql', 'CREATE TABLE ${internal}.t (a Int32) ENGINE = Memory');
  await write('V2__t.sql', 'SELECT ${nope}');
  await expect(apply(ch)).rejects.toMatchObject({ code: 'MIGRATION_FAILED' });
  expect(await ch.client.rows(`EXISTS TABLE ${ch.internal}.t`)).toEqual([{ result: 0 }]);
});
