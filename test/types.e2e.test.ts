/**
 * Every type, its hard values, through the load and through the stream in both of its forms: what ClickHouse then has is
 * compared with what PostgreSQL's own output function writes.
 */
import { expect, test } from 'vitest';
import { pgIdent, pgTextOf } from '../src/model/quote.ts';
import { pgRows } from '../src/source/connection.ts';
import {
  temporaryClickHouse,
  temporaryPostgres,
  type TemporaryClickHouse,
  type TemporaryPostgres,
} from './support/databases.ts';
import { HARD_TYPES, hardTypesOf, type HardType } from './support/hard-values.ts';
import { startPipeline } from './support/pipeline.ts';

/** Rows that the stream brings have ids from here on. */
const STREAMED = 1000;

/** What the text of values depends on, as Millrace does not expect it: its sessions pin it. */
const ODD_SETTINGS = {
  datestyle: 'SQL, DMY',
  intervalstyle: 'iso_8601',
  bytea_output: 'escape',
  extra_float_digits: '-3',
  timezone: 'Asia/Kathmandu',
  quote_all_identifiers: 'on',
};

/** Makes a table with a column per type; row 0 is all NULL, row n has each type's n-th value. */
async function fill(pg: TemporaryPostgres, types: readonly HardType[]): Promise<void> {
  const columns = types.map(({ name, type }) => `${pgIdent(name)} ${type}`).join(', ');
  await pg.client.query(`CREATE TABLE hard (id integer PRIMARY KEY, ${columns})`);
  const rows = Math.max(...types.map(({ values }) => values.length));
  const places = types.map((_, i) => `$${i + 2}`).join(', ');
  for (let row = 0; row <= rows; row++)
    await pgRows(pg.client, `INSERT INTO hard VALUES ($1, ${places})`, [
      row,
      ...types.map(({ values }) => values[row - 1] ?? null),
    ]);
}

/** Values that are not in the copy as they are in the source, in words; empty when all are. */
async function misses(pg: TemporaryPostgres, ch: TemporaryClickHouse, types: readonly HardType[]): Promise<string[]> {
  const wanted = types.map(
    ({ name, expected }) => `${inColumn(expected ?? pgTextOf('v'), pgIdent(name))} AS ${pgIdent(name)}`,
  );
  const source = await pgRows(pg.client, `SELECT id, ${wanted.join(', ')} FROM hard ORDER BY id`);
  const copied = types.map(({ name, found }) => `${inColumn(found ?? 'toString(v)', `h.${name}`)} AS ${name}`);
  const copy = await ch.client.rows<Record<string, string | null>>(
    `SELECT id, ${copied.join(', ')} FROM ${ch.database}.hard_current AS h ORDER BY id`,
  );
  expect(copy.map((row) => Number(row['id']))).toEqual(source.map((row) => Number(row['id'])));
  const found: string[] = [];
  for (const { name } of types) {
    for (const [i, row] of source.entries()) {
      const value = copy[i]?.[name];
      if (row[name] !== value)
        found.push(`${name} ${row['id']}: ${String(row[name]).slice(0, 60)} ≠ ${String(value).slice(0, 60)}`);
    }
  }
  return found;
}

function inColumn(sql: string, column: string): string {
  return sql.replaceAll(/\bv\b/g, () => column);
}

test.each([
  ['binary', (type: HardType) => type.binary === true],
  ['text', () => true],
] as const)(
  'GIVEN hard values of every type WHEN they are loaded, and streamed as %s THEN they arrive exactly',
  async (_form, isMeant) => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    for (const [name, value] of Object.entries(ODD_SETTINGS))
      await pg.client.query(`ALTER DATABASE ${pg.database} SET ${name} = '${value}'`);
    const types = await hardTypesOf(pg.client, HARD_TYPES.filter(isMeant));
    await fill(pg, types);
    await using pipeline = startPipeline(pg, ch);
    await pipeline.caughtUp();
    expect(await misses(pg, ch, types)).toEqual([]);

    const columns = types.map(({ name }) => pgIdent(name));
    await pg.client.query(`INSERT INTO hard SELECT id + ${STREAMED}, ${columns.join(', ')} FROM hard`);
    // A row's values become another row's: updates carry values, too.
    await pg.client.query(
      `UPDATE hard AS t SET ${columns.map((name) => `${name} = o.${name}`).join(', ')} FROM hard AS o WHERE o.id = t.id + 1 - ${STREAMED}`,
    );
    await pg.client.query('DELETE FROM hard WHERE id = 1');
    await pipeline.caughtUp();
    expect(await misses(pg, ch, types)).toEqual([]);
    await pipeline.stop();
  },
);
