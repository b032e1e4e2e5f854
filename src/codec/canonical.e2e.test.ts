/**
 * Canonical forms through both real engines: values travel as the load brings them (binary COPY, our columns, Native),
 * then each engine renders its own side.
 */
import { readFile } from 'node:fs/promises';
import { to as copyTo } from 'pg-copy-streams';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type TemporaryClickHouse,
  temporaryClickHouse,
  type TemporaryPostgres,
  temporaryPostgres,
} from '../../test/support/databases.ts';
import { chIdent, pgIdent } from '../model/quote.ts';
import type { SourceTable } from '../model/table.ts';
import { readTables } from '../source/catalog.ts';
import { connectPostgres, pgRows } from '../source/connection.ts';
import { selectList } from '../source/select-list.ts';
import { canonicalColumn, canonicalDocument, hashForm, rowForm, type UnfitAction } from './canonical.ts';
import { codecFor } from './codecs.ts';
import { FAIL_UNFIT } from './column-base.ts';
import { CopyBinaryReader } from './copy-binary.ts';
import { encodeBlock } from './native.ts';
import { BY_OID, ENUM, NUMERIC_TEXT } from './type-codecs.ts';
import { documentedTypes, typesDocument } from './types-document.ts';

const UTF8 = { isUtf8: true };

/** Columns by type: values that differ from each other, beside random ones made of `h`, a 64-bit number. */
const COLUMNS: Readonly<Record<string, { type: string; random: string; special: readonly string[] }>> = {
  bool: { type: 'boolean', random: 'h % 2 = 0', special: ['true', 'false'] },
  int2: { type: 'smallint', random: '(h % 32768)::int2', special: ['-32768', '32767', '0', '-1'] },
  int4: { type: 'integer', random: '(h >> 32)::int4', special: ['-2147483648', '2147483647', '0'] },
  int8: { type: 'bigint', random: 'h', special: ['-9223372036854775808', '9223372036854775807', '0'] },
  oid: { type: 'oid', random: '(h & 4294967295)::oid', special: ['0', '4294967295'] },
  real: { type: 'real', random: '(h / 1e9)::real', special: ['0', '-0', 'NaN', 'Infinity', '-Infinity', '3.4028235e+38', '1e-45', '0.1'] },
  double: { type: 'double precision', random: 'h / 1e5::float8', special: ['0', '-0', 'NaN', 'Infinity', '-Infinity', '5e-324', '1e+308', '0.1'] },
  price: { type: 'numeric(10,2)', random: '(h % 9999999999)::numeric / 100', special: ['0', '-0.01', '0.10', '99999999.99', '-99999999.99'] },
  fine: { type: 'numeric(9,9)', random: '(h % 999999999)::numeric / 1e9', special: ['0', '0.000000001', '-0.5', '0.999999999'] },
  whole: { type: 'numeric(20,0)', random: '(h / 7)::numeric', special: ['0', '-1', '99999999999999999999'] },
  widest: { type: 'numeric(76,38)', random: 'h::numeric * h / 1e20', special: ['0', `-${'9'.repeat(38)}.${'9'.repeat(38)}`, `0.${'0'.repeat(37)}1`] },
  text: { type: 'text', random: "repeat(chr(1 + (h & 1023)::int), (h & 31)::int)", special: ['', ' ', '0:', '|', '1:|', 'a\tb\nc\\d\'e"', 'héllo 🙂', 'e\u0301', 'é', '\u0001', '\\N', 'NULL'] },
  varchar: { type: 'varchar(255)', random: "'Campaign ' || h", special: ['', 'x'.repeat(255), '5:aaaaa'] },
  padded: { type: 'character(6)', random: '(h % 1000)::text', special: ['', 'a', ' a', 'é 🙂'] },
  name: { type: 'name', random: 'md5(h::text)::name', special: ['', 'Ü"x'] },
  date: { type: 'date', random: "date '1900-01-01' + (abs(h) % 146097)::int", special: ['1900-01-01', '2299-12-31', '1969-12-31', '1970-01-01'] },
  stamp: { type: 'timestamp', random: "timestamp '1900-01-01' + (abs(h) % 12622780800000000) * interval '1 microsecond'", special: ['1900-01-01', '2299-12-31 23:59:59.999999', '1969-12-31 23:59:59.999999', '1970-01-01', '2000-01-01'] },
  stamptz: { type: 'timestamptz', random: "timestamptz '1900-01-01+00' + (abs(h) % 12622780800000000) * interval '1 microsecond'", special: ['1900-01-01 00:00+00', '2299-12-31 23:59:59.999999+00', '2026-03-29 03:00+02', '2026-03-29 00:59:59.999999+00'] },
  uuid: { type: 'uuid', random: 'md5(h::text)::uuid', special: ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '00000000-0000-0001-0000-000000000000'] },
  json: { type: 'json', random: "json_build_object('a', h)", special: ['{"b" :  [1, null]}', '{"b":[1,null]}', 'null'] },
  xid: { type: 'xid', random: '(h & 4294967295)::text::xid', special: ['0', '4294967295'] },
  xid8: { type: 'xid8', random: '(h & 9223372036854775807)::text::xid8', special: ['0', '18446744073709551615'] },
  money: { type: 'money', random: '(h / 1000)::numeric::money', special: ['0', '-0.01', '1234.50', '-92233720368547758.08'] },
  bytea: { type: 'bytea', random: "decode(md5(h::text), 'hex')", special: ['', '\\x00', '\\x00ff', '\\x5c'] },
  numeric: { type: 'numeric', random: 'h::numeric / 7', special: ['0', '0.0', '-1.10', 'NaN', 'Infinity', '1e100'] },
  mood: { type: 'mood', random: "(ARRAY['sad', 'a|b'])[1 + abs(h % 2)]::mood", special: ['sad', 'a|b'] },
  citext: { type: 'citext', random: "('C' || h)::citext", special: ['', 'a', 'A'] },
  span: { type: 'interval', random: "h / 1e6 * interval '1 microsecond'", special: ['0', '1 mon -1 days', '-00:00:01'] },
  net: { type: 'inet', random: "('10.0.0.0'::inet + abs(h % 1000))", special: ['10.0.0.1', '10.0.0.1/24', '::1'] },
  ints: { type: 'integer[]', random: 'ARRAY[h >> 40, NULL]::int[]', special: ['{}', '{NULL}', '{1,2}', '{{1,2}}', '[0:1]={1,2}'] },
  pair: { type: 'pair', random: "ROW(h >> 40, 'x')::pair", special: ['(,)', '(1,)', '(1,"")'] },
  jsonb: { type: 'jsonb', random: "jsonb_build_object('a', h)", special: ['{"b" :  [1, null]}', '"é"', 'null', '{"a": 1.10}'] },
}; // prettier-ignore

const RANDOM_ROWS = 300;

let postgres: TemporaryPostgres;
let clickhouse: TemporaryClickHouse;

beforeAll(async () => {
  postgres = await temporaryPostgres();
  clickhouse = await temporaryClickHouse();
  await clickhouse.client.command(`CREATE DATABASE ${chIdent(clickhouse.database)}`);
});

afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
  await clickhouse[Symbol.asyncDispose]();
});

it('every type with a codec has a form, and is in this test', () => {
  const documented = documentedTypes().map(({ name }) => name.replace(/[(,].*/, '').replace('enum types', 'mood'));
  expect(documented.filter((name) => !Object.values(COLUMNS).some(({ type }) => type.startsWith(name)))).toEqual([]);
  const entries = new Set([...Object.values(BY_OID), ENUM, NUMERIC_TEXT]);
  for (const { codec } of documentedTypes()) entries.delete(codec);
  expect([...entries].map(({ type }) => type)).toEqual([]);
});

describe('GIVEN all types, their limits and specials, NULL and random values', () => {
  it('THEN both engines write and hash each row alike, and equal hashes mean equal rows', async () => {
    const table = await fillSource('mixed');
    await copyOver(table, 'fail');
    const rows = await bothSides(table, 'fail');
    expect(rows.length).toBeGreaterThan(RANDOM_ROWS);
    expect(rows.filter(({ source, copy }) => source !== copy)).toEqual([]);
    expect(rows.filter(({ sourceHash, copyHash }) => sourceHash !== copyHash)).toEqual([]);
    expect(new Set(rows.map(({ sourceHash }) => sourceHash)).size).toBe(rows.length);
  });

  it.each(Object.keys(COLUMNS))(
    'THEN the specials of %s all differ, from NULL too, and are shown alike',
    async (name) => {
      const [table] = await readTables(postgres.client, { include: ['public.mixed'], exclude: [] });
      const column = table!.columns.find((candidate) => candidate.name === name)!;
      const form = canonicalColumn(column, 'fail');
      const row = rowForm([form], UTF8);
      const special = `key <= ${COLUMNS[name]!.special.length + 1}`;
      const source = await pgRows(
        postgres.client,
        `SELECT ${row.source} AS form, ${form.source.shown} AS shown FROM mixed WHERE ${special} ORDER BY key`,
      );
      const copy = await clickhouse.client.rows<Record<'form' | 'shown', string | null>>(
        `SELECT ${row.copy} AS form, ${form.copy.shown} AS shown FROM ${clickhouse.database}.mixed WHERE ${special} ORDER BY key`,
      );
      expect(copy.map(({ form: text }) => text)).toEqual(source.map(({ form: text }) => text));
      expect(new Set(source.map(({ form: text }) => text)).size).toBe(COLUMNS[name]!.special.length + 1);
      const isFloat = /real|double/.test(column.typeName);
      if (!isFloat) expect(copy.map(({ shown }) => shown)).toEqual(source.map(({ shown }) => shown));
    },
  );
});

describe('values that do not fit', () => {
  const UNFIT = {
    d: ['infinity', '-infinity', '0044-03-15 BC', '1899-12-31', '2300-01-01', '2026-01-01'],
    t: ['infinity', '-infinity', '4713-01-01 BC', '1899-12-31 23:59:59.999999', '2300-01-01', '2026-01-01 01:02:03.000004'],
    z: ['infinity', '-infinity', '4713-01-01 BC', '1899-12-31 23:59:59.999999+00', '294276-12-31 23:59:59+00', '2026-01-01 01:02:03+00'],
  }; // prettier-ignore

  it.each(['null', 'clamp'] as const)(
    'GIVEN the policy %s THEN what the pipeline stores is no difference, and is counted',
    async (action) => {
      const target = `unfit_${action}`;
      await pgRows(
        postgres.client,
        `CREATE TABLE ${target} (key int PRIMARY KEY, d date, t timestamp, z timestamptz, n numeric(6,2))`,
      );
      for (const [i] of UNFIT.d.entries()) {
        const number = action === 'null' && i === 0 ? 'NaN' : '1.50';
        await pgRows(postgres.client, `INSERT INTO ${target} VALUES ($1, $2, $3, $4, $5)`, [
          i,
          UNFIT.d[i],
          UNFIT.t[i],
          UNFIT.z[i],
          number,
        ]);
      }
      const [table] = await readTables(postgres.client, { include: [`public.${target}`], exclude: [] });
      await copyOver(table!, action);
      const rows = await bothSides(table!, action);
      expect(rows.map(({ copy }) => copy)).toEqual(rows.map(({ source }) => source));
      const replaced = table!.columns
        .map((column) => canonicalColumn(column, action).replaced)
        .filter((sql) => sql !== null);
      const [counted] = await pgRows(
        postgres.client,
        `SELECT ${replaced.map((sql) => `count(*) FILTER (WHERE ${sql})`).join(' + ')} AS n FROM ${target}`,
      );
      expect(Number(counted?.['n'])).toBe(action === 'null' ? 16 : 15);
      const strict = await bothSides(table!, 'fail');
      expect(strict.filter(({ source, copy }) => source !== copy)).toHaveLength(5);
    },
  );
});

it('GIVEN a source that keeps text in LATIN1 THEN what is hashed is UTF-8, as in the copy', async () => {
  const database = `${postgres.database}_latin`;
  await pgRows(postgres.client, `CREATE DATABASE ${database} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`);
  const url = new URL(postgres.url);
  url.pathname = `/${database}`;
  const latin = await connectPostgres(url.toString());
  try {
    await latin.query(
      "CREATE TABLE words (key int PRIMARY KEY, t text); INSERT INTO words VALUES (1, 'élan'), (2, ''), (3, NULL)",
    );
    const [table] = await readTables(latin, { include: ['public.words'], exclude: [] });
    const encoding = { isUtf8: false };
    const hash = hashForm(rowForm(table!.columns.map((column) => canonicalColumn(column, 'fail')), encoding), encoding); // prettier-ignore
    const source = await pgRows(latin, `SELECT ${hash.source} AS hash FROM words ORDER BY key`);
    const values = "VALUES('key Int32, t Nullable(String)', (1, 'élan'), (2, ''), (3, NULL))";
    const copy = await clickhouse.client.rows<{ hash: string }>(
      `SELECT ${hash.copy} AS hash FROM ${values} ORDER BY key`,
    );
    expect(copy.map((row) => row.hash)).toEqual(source.map((row) => row['hash']));
  } finally {
    await latin.end();
    await pgRows(postgres.client, `DROP DATABASE ${database}`);
  }
});

it('docs/verify.md has the table of forms', async () => {
  const text = await readFile('docs/verify.md', 'utf8');
  expect(canonicalDocument().filter((line) => !text.includes(`${line}\n`))).toEqual([]);
});

it('docs/types.md is what the table of types says', async () => {
  expect(await readFile('docs/types.md', 'utf8')).toBe(typesDocument());
});

/** One row per special value (each column has its next one), one of NULLs, then random ones. */
async function fillSource(name: string): Promise<SourceTable> {
  const names = Object.keys(COLUMNS);
  await postgres.client.query(
    "CREATE TYPE mood AS ENUM ('sad', 'a|b'); CREATE TYPE pair AS (a int, b text); CREATE EXTENSION citext",
  );
  await pgRows(
    postgres.client,
    `CREATE TABLE ${name} (key integer PRIMARY KEY, ${names.map((column) => `${pgIdent(column)} ${COLUMNS[column]!.type}`).join(', ')})`,
  );
  const most = Math.max(...names.map((column) => COLUMNS[column]!.special.length));
  for (let i = 0; i <= most; i++) {
    const values = names.map((column) => COLUMNS[column]!.special[i - 1] ?? null);
    await pgRows(postgres.client, `INSERT INTO ${name} VALUES ($1, ${names.map((_, at) => `$${at + 2}`).join(', ')})`, [
      i + 1,
      ...values,
    ]);
  }
  const random = names.map((column) => `CASE WHEN (h >> 3) % 9 <> 0 THEN ${COLUMNS[column]!.random} END`);
  await pgRows(
    postgres.client,
    `INSERT INTO ${name} SELECT 1000 + i, ${random.join(', ')} FROM generate_series(1, ${RANDOM_ROWS}) AS i,
       LATERAL (SELECT ('x' || substr(md5(i::text), 1, 16))::bit(64)::int8 AS h) AS hash`,
  );
  const [table] = await readTables(postgres.client, { include: [`public.${name}`], exclude: [] });
  return table!;
}

async function copyOver(table: SourceTable, action: UnfitAction): Promise<void> {
  const codecs = table.columns.map(codecFor);
  const policy = { ...FAIL_UNFIT, action };
  const columns = codecs.map((codec, i) => codec.open(table.columns[i]!.nullable ? policy : FAIL_UNFIT));
  const reader = new CopyBinaryReader(columns, codecs);
  const stream = postgres.client.query(
    copyTo(`COPY (SELECT ${selectList(table.columns)} FROM ${table.name}) TO STDOUT (FORMAT binary)`),
  );
  for await (const chunk of stream) reader.push(chunk as Buffer, 0, (chunk as Buffer).length);
  const target = `${chIdent(clickhouse.database)}.${table.name}`;
  const typed = table.columns.map(({ name }, i) => `${chIdent(name)} ${codecs[i]!.clickhouseType}`);
  await clickhouse.client.command(`CREATE TABLE ${target} (${typed.join(', ')}) ENGINE = MergeTree ORDER BY key`);
  const block = table.columns.map(({ name }, i) => ({ name, column: columns[i]! }));
  await clickhouse.client.insert(`INSERT INTO ${target} FORMAT Native`, encodeBlock(block, reader.end()));
}

async function bothSides(
  table: SourceTable,
  action: UnfitAction,
): Promise<Record<'source' | 'copy' | 'sourceHash' | 'copyHash', unknown>[]> {
  const row = rowForm(
    table.columns.map((column) => canonicalColumn(column, action)),
    UTF8,
  );
  const hash = hashForm(row, UTF8);
  const source = await pgRows(
    postgres.client,
    `SELECT ${row.source} AS form, ${hash.source} AS hash FROM ${table.name} ORDER BY key`,
  );
  const copy = await clickhouse.client.rows(
    `SELECT ${row.copy} AS form, ${hash.copy} AS hash FROM ${clickhouse.database}.${table.name} ORDER BY key`,
  );
  expect(copy).toHaveLength(source.length);
  return source.map((left, i) => ({
    source: left['form'],
    copy: copy[i]!['form'],
    sourceHash: left['hash'],
    copyHash: copy[i]!['hash'],
  }));
}
