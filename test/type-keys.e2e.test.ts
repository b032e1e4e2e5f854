/** Keys of every type that has an order: followed by key, found again on both sides by their text. */
import type pg from 'pg';
import { expect, test } from 'vitest';
import { pgIdent } from '../src/model/quote.ts';
import { pgRows } from '../src/source/connection.ts';
import { verify } from '../src/verify/verify.ts';
import { temporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { HARD_TYPES, hardTypesOf, type HardType } from './support/hard-values.ts';
import { startPipeline } from './support/pipeline.ts';
import { presentWriter } from './support/plant.ts';
import { verifyOptions } from './support/verification.ts';

/** What fits into an index. */
const MOST_CHARACTERS = 120;
/** Columns of one key; PostgreSQL takes 32. */
const KEY_COLUMNS = 20;
/** Types that are keys by themselves, too: one of each kind of column. */
const ALONE = new Set(['t_real', 't_numeric_any', 't_bytea', 't_enum', 't_stamptz', 't_ints', 't_bit', 't_citext']);

/** Out of line, so that updates leave it out and it is fetched by key. */
const PAD = "repeat(md5('pad'), 100)";

/** A table whose key has those types: a row per value, each type beginning again at its end. */
async function makeTable(client: pg.Client, name: string, types: readonly HardType[]): Promise<void> {
  const columns = types.map((type) => `${pgIdent(type.name)} ${type.type}`);
  const key = types.map((type) => pgIdent(type.name)).join(', ');
  await client.query(
    `CREATE TABLE ${name} (${columns.join(', ')}, n integer NOT NULL, pad text, PRIMARY KEY (${key})); ALTER TABLE ${name} ALTER pad SET STORAGE EXTERNAL`,
  );
  const rows = Math.max(...types.map(({ values }) => values.length));
  const places = types.map((_, i) => `$${i + 2}`).join(', ');
  for (let row = 0; row < rows; row++) {
    const values = types.map((type) => type.values[row % type.values.length] ?? null);
    await pgRows(client, `INSERT INTO ${name} VALUES (${places}, $1, ${PAD}) ON CONFLICT DO NOTHING`, [row, ...values]);
  }
}

test('GIVEN keys of every type WHEN rows change, move and go, and are lost from the copy THEN they are found again by key', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  const short = HARD_TYPES.filter(({ noKey }) => noKey !== true).map((type) => {
    return { ...type, values: type.values.filter((value) => value.length <= MOST_CHARACTERS) };
  });
  const types = await hardTypesOf(pg.client, short);
  const tables = types
    .filter(({ name }) => ALONE.has(name))
    .map((type): [string, HardType[]] => [`only${type.name}`, [type]]);
  for (let from = 0; from < types.length; from += KEY_COLUMNS)
    tables.push([`all_${from}`, types.slice(from, from + KEY_COLUMNS)]);
  for (const [name, columns] of tables) await makeTable(pg.client, name, columns);
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();

  for (const [name, columns] of tables) {
    const key = columns.map((type) => pgIdent(type.name)).join(', ');
    await pg.client.query(`UPDATE ${name} SET n = n + 100`);
    // The last row's key becomes that of a row that goes, in one transaction.
    await pg.client
      .query(`BEGIN; CREATE TEMPORARY TABLE first ON COMMIT DROP AS SELECT * FROM ${name} WHERE n = 100; DELETE FROM ${name} WHERE n = 100;
      UPDATE ${name} SET (${key}) = ${columns.length === 1 ? `(SELECT ROW(${key}) FROM first)`.replace('ROW(', '(') : `(SELECT ${key} FROM first)`} WHERE n = (SELECT max(n) FROM ${name}); COMMIT`);
  }
  await pipeline.caughtUp();
  const proof = await verify(verifyOptions(pg, ch));
  expect(proof.differences).toEqual([]);
  expect(proof.verdict).toBe('equal');

  const settings = { ...(await presentWriter(ch, pg.database)), mutations_sync: 1 };
  for (const [name] of tables)
    await ch.client.command(`ALTER TABLE ${ch.database}.${name} DELETE WHERE n % 2 = 0`, { settings });
  for (const [name] of tables)
    await ch.client.command(`ALTER TABLE ${ch.database}.${name} UPDATE n = -n WHERE n % 2 = 1`, { settings });
  const repaired = await verify(verifyOptions(pg, ch, { repair: true, limit: 1 }));
  expect(repaired.verdict).toBe('repaired');
  expect((await verify(verifyOptions(pg, ch))).verdict).toBe('equal');
}, 180_000);
