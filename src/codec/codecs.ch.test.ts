/**
 * Round trips through the real engines: PostgreSQL's text and its binary COPY go through the columns into
 * ClickHouse, and what ClickHouse then says is compared with what PostgreSQL says, as text.
 */
import { to as copyTo } from 'pg-copy-streams';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type TemporaryClickHouse,
  temporaryClickHouse,
  type TemporaryPostgres,
  temporaryPostgres,
} from '../../test/support/databases.ts';
import { chIdent } from '../model/quote.ts';
import { pgRows } from '../source/connection.ts';
import { codecFor, openNative } from './codecs.ts';
import { FAIL_UNFIT } from './column-base.ts';
import type { ColumnBuffer } from './column.ts';
import { CopyBinaryReader } from './copy-binary.ts';
import { decodeBlocks, encodeBlock } from './native.ts';

/** A column: its type, a value made of `h` (a 64-bit hash of the row number), and the text that both engines agree on. */
interface Case {
  readonly type: string;
  readonly value: string;
  /** PostgreSQL's side of the comparison; `c` is the column. */
  readonly postgres: string;
  readonly clickhouse: string;
  /** Values at the ends of the range. */
  readonly edges: readonly string[];
}

const AS_TEXT = { postgres: 'c::text', clickhouse: 'toString(c)' };
const TIME_TEXT = { postgres: "to_char(c, 'YYYY-MM-DD HH24:MI:SS.US')", clickhouse: 'toString(c)' };
const NUMERIC_TEXT = { postgres: 'trim_scale(c)::text', clickhouse: 'toString(c)' };
const FLOAT_TEXT = {
  postgres: "encode(float8send(c), 'hex')",
  clickhouse: "lower(leftPad(hex(reinterpretAsUInt64(toFloat64(c))), 16, '0'))",
};

const CASES: Readonly<Record<string, Case>> = {
  bool: { type: 'boolean', value: 'h % 2 = 0', ...AS_TEXT, edges: [] },
  int2: { type: 'smallint', value: '(h % 32768)::int2', ...AS_TEXT, edges: ['-32768', '32767'] },
  int4: { type: 'integer', value: '(h >> 32)::int4', ...AS_TEXT, edges: ['-2147483648', '2147483647', '0'] },
  int8: { type: 'bigint', value: 'h', ...AS_TEXT, edges: ['-9223372036854775808', '9223372036854775807', '-1'] },
  oid: { type: 'oid', value: '(h & 4294967295)::oid', ...AS_TEXT, edges: ['4294967295', '0'] },
  real: { type: 'real', value: '(h / 1e9)::real', ...FLOAT_TEXT, edges: ['3.4028235e+38', '1e-45', '-0', 'Infinity'] },
  double: { type: 'double precision', value: 'h / 1e5::float8', ...FLOAT_TEXT, edges: ['1e+308', '5e-324', '-Infinity', '0.1'] },
  price: { type: 'numeric(10,2)', value: '(h % 9999999999)::numeric / 100', ...NUMERIC_TEXT, edges: ['-99999999.99', '0.01', '0'] },
  small: { type: 'numeric(9,9)', value: '(h % 999999999)::numeric / 1e9', ...NUMERIC_TEXT, edges: ['0.999999999', '-0.000000001'] },
  wide: { type: 'numeric(38,7)', value: 'h::numeric * h / 1e8', ...NUMERIC_TEXT, edges: [`${'9'.repeat(31)}.9999999`, '-10000.0001'] },
  widest: { type: 'numeric(76,38)', value: 'h::numeric * h / 1e20', ...NUMERIC_TEXT, edges: [`-${'9'.repeat(38)}.${'9'.repeat(38)}`] },
  text: { type: 'text', value: "repeat(chr(32 + (h & 4095)::int), (h & 255)::int)", ...AS_TEXT, edges: ['', 'a\tb\nc\\d', 'héllo 🙂'] },
  varchar: { type: 'varchar(255)', value: "'Campaign ' || h", ...AS_TEXT, edges: ['x'.repeat(255)] },
  padded: { type: 'character(10)', value: "(h % 100000)::text", ...AS_TEXT, edges: ['', ' a b '] },
  name: { type: 'name', value: "md5(h::text)::name", ...AS_TEXT, edges: [] },
  date: { type: 'date', value: "date '1900-01-01' + (abs(h) % 146097)::int", ...AS_TEXT, edges: ['1900-01-01', '2299-12-31', '1969-12-31'] },
  stamp: { type: 'timestamp', value: "timestamp '1900-01-01' + (abs(h) % 12622780800000000) * interval '1 microsecond'", ...TIME_TEXT, edges: ['1900-01-01', '2299-12-31 23:59:59.999999', '1969-12-31 23:59:59.999999'] },
  stamptz: { type: 'timestamptz', value: "timestamptz '1900-01-01+00' + (abs(h) % 12622780800000000) * interval '1 microsecond'", ...TIME_TEXT, edges: ['1900-01-01+00', '2299-12-31 23:59:59.999999+00'] },
  uuid: { type: 'uuid', value: 'md5(h::text)::uuid', ...AS_TEXT, edges: ['00000000-0000-0000-0000-000000000001'] },
  json: { type: 'json', value: "json_build_object('a', h)", ...AS_TEXT, edges: ['{"b" :  [1, null]}'] },
  jsonb: { type: 'jsonb', value: "jsonb_build_object('a', h)", ...AS_TEXT, edges: ['{"b" :  [1, null]}', '"é"'] },
}; // prettier-ignore

const ROWS = 2000;

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

describe.each(Object.entries(CASES))('%s', (name, test) => {
  it('GIVEN random values, the ends of the range and NULL THEN ClickHouse says what PostgreSQL says, by text and by binary', async () => {
    await fillTable(name, test);
    const codec = await codecOf(name);
    const expected = (await pgRows(postgres.client, `SELECT ${test.postgres} AS t FROM ${name} ORDER BY row`)).map(
      (row) => row['t'],
    );
    const fromText = codec.open(FAIL_UNFIT);
    await readText(name, fromText);
    const fromBinary = codec.open(FAIL_UNFIT);
    const reader = new CopyBinaryReader([fromBinary], [codec]);
    const stream = postgres.client.query(copyTo(`COPY (SELECT c FROM ${name} ORDER BY row) TO STDOUT (FORMAT binary)`));
    for await (const chunk of stream) reader.push(chunk as Buffer, 0, (chunk as Buffer).length);
    expect(reader.end()).toBe(expected.length);

    for (const [kind, column] of [
      ['text', fromText],
      ['binary', fromBinary],
    ] as const) {
      const table = `${chIdent(clickhouse.database)}.${name}_${kind}`;
      await insert(table, column, codec.compression);
      const rows = await clickhouse.client.rows<{ t: string | null }>(
        `SELECT ${test.clickhouse} AS t FROM ${table} ORDER BY row`,
      );
      expect(rows.map((row) => row.t)).toEqual(expected);
    }
    await readsBack(`${chIdent(clickhouse.database)}.${name}_text`, fromText);
  });
});

async function fillTable(name: string, test: Case): Promise<void> {
  await pgRows(postgres.client, `CREATE TABLE ${name} (row integer, c ${test.type})`);
  await pgRows(
    postgres.client,
    `INSERT INTO ${name} SELECT i, CASE WHEN i % 7 <> 0 THEN ${test.value} END
     FROM generate_series(1, ${ROWS}) AS i, LATERAL (SELECT ('x' || substr(md5(i::text), 1, 16))::bit(64)::int8 AS h) AS hash`,
  );
  for (const [i, edge] of test.edges.entries())
    await pgRows(postgres.client, `INSERT INTO ${name} VALUES ($1, $2)`, [ROWS + 1 + i, edge]);
}

async function codecOf(name: string): Promise<ReturnType<typeof codecFor>> {
  const sql = `SELECT atttypid AS oid, atttypmod AS mod, format_type(atttypid, atttypmod) AS type FROM pg_attribute
               WHERE attrelid = $1::regclass AND attname = 'c'`;
  const [row] = await pgRows<{ oid: string; mod: string; type: string }>(postgres.client, sql, [name]);
  return codecFor({
    name: 'c',
    attnum: 2,
    typeOid: Number(row!.oid),
    typeMod: Number(row!.mod),
    typeName: row!.type,
    nullable: true,
  });
}

async function readText(name: string, column: ColumnBuffer): Promise<void> {
  for (const { c } of await pgRows(postgres.client, `SELECT c FROM ${name} ORDER BY row`)) {
    if (c === null || c === undefined) column.appendNull();
    else column.appendText(Buffer.from(c), 0, Buffer.byteLength(c));
  }
}

/** Makes the table with the codec's compression and inserts the column beside its row numbers. */
async function insert(table: string, column: ColumnBuffer, compression: string): Promise<void> {
  await clickhouse.client.command(
    `CREATE TABLE ${table} (row Int32, c ${column.clickhouseType} CODEC(${compression})) ENGINE = MergeTree ORDER BY row`,
  );
  const row = openNative('Int32');
  for (let i = 0; i < column.length; i++) row.appendText(Buffer.from(String(i)), 0, String(i).length);
  const block = encodeBlock([{ name: 'row', column: row }, { name: 'c', column }], column.length); // prettier-ignore
  await clickhouse.client.insert(`INSERT INTO ${table} FORMAT Native`, block);
}

/** Results in Native format give the column back. */
async function readsBack(table: string, column: ColumnBuffer): Promise<void> {
  const settings = { max_block_size: 300, output_format_native_encode_types_in_binary_format: 0 };
  const bytes = await clickhouse.client.bytes(`SELECT c FROM ${table} ORDER BY row FORMAT Native`, { settings });
  const decoded = decodeBlocks(bytes, (_name, type) => openNative(type));
  const values = (of: ColumnBuffer): unknown[] => Array.from({ length: of.length }, (_, row) => of.value(row));
  expect(decoded.rows).toBe(column.length);
  expect(values(decoded.columns[0]!.column)).toEqual(values(column));
}
