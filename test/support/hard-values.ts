/** Values of every type that are hard to carry: limits, specials, the empty, what looks like something else. NULL is added by the tests. */
import type pg from 'pg';
import { pgRows } from '../../src/source/connection.ts';

/** One type. */
export interface HardType {
  /** Name of its table. */
  readonly name: string;
  /** As in CREATE TABLE. */
  readonly type: string;
  /** Texts that its input function takes. */
  readonly values: readonly string[];
  /** What the copy must have, in PostgreSQL; `v` is the column. Default: the text of the output function. */
  readonly expected?: string;
  /** The same in ClickHouse. Default: `toString(v)`. */
  readonly found?: string;
  /** Statements before its table is made. */
  readonly setup?: string;
  /** It has no order: it cannot be a key. */
  readonly noKey?: true;
  /** The stream can bring it in binary form. */
  readonly binary?: true;
  /** Extension that must be there. */
  readonly extension?: string;
}

const MEGABYTE = 1024 * 1024;
const UNICODE = ['', ' ', 'NULL', '\\N', 'a\tb\nc\\d\'e"f', 'héllo 🙂 \u0001', 'e\u0301 é', '{1,2}', ','];
const LONG = 'ab🙂"\\ '.repeat(MEGABYTE / 8);
const TIME_TEXT = { expected: "to_char(v, 'YYYY-MM-DD HH24:MI:SS.US')" };

/** Types that have a reader for their binary form. */
const BINARY_TYPES: readonly HardType[] = [
  { name: 't_bool', type: 'boolean', values: ['true', 'false'], expected: 'v::text' },
  { name: 't_int2', type: 'smallint', values: ['-32768', '32767', '0', '-1'] },
  { name: 't_int4', type: 'integer', values: ['-2147483648', '2147483647', '0', '-1'] },
  { name: 't_int8', type: 'bigint', values: ['-9223372036854775808', '9223372036854775807', '0', '-1'] },
  { name: 't_oid', type: 'oid', values: ['0', '4294967295'] },
  { name: 't_xid', type: 'xid', values: ['0', '3', '4294967295'], noKey: true },
  { name: 't_xid8', type: 'xid8', values: ['0', '3', '18446744073709551615'] },
  { name: 't_real', type: 'real', values: ['0', '-0', 'NaN', 'Infinity', '-Infinity', '3.4028235e+38', '1e-45', '0.1'], expected: "encode(float4send(v), 'hex')", found: "lower(leftPad(hex(reinterpretAsUInt32(v)), 8, '0'))" },
  { name: 't_double', type: 'double precision', values: ['0', '-0', 'NaN', 'Infinity', '-Infinity', '5e-324', '1.7976931348623157e308', '0.1', '-2.2250738585072014e-308'], expected: "encode(float8send(v), 'hex')", found: "lower(leftPad(hex(reinterpretAsUInt64(v)), 16, '0'))" },
  { name: 't_price', type: 'numeric(10,2)', values: ['0', '-0.01', '0.10', '99999999.99', '-99999999.99'], found: 'toDecimalString(v, 2)' },
  { name: 't_fine', type: 'numeric(3,5)', values: ['0', '0.00999', '-0.00001'], found: 'toDecimalString(v, 5)' },
  { name: 't_widest', type: 'numeric(76,38)', values: ['0', `-${'9'.repeat(38)}.${'9'.repeat(38)}`, `0.${'0'.repeat(37)}1`], found: 'toDecimalString(v, 38)' },
  { name: 't_numeric_any', type: 'numeric', values: ['0', '0.00', '-0.1', '1.10', '10000', '99990000', '0.0001', '0.00010', '123456789012345678901234567890.123456789', 'NaN', 'Infinity', '-Infinity', `${'9'.repeat(400)}.${'1'.repeat(300)}`, '1e-200', '-1e200', '1e131071', '1e-16383'] },
  { name: 't_numeric_wide', type: 'numeric(100,30)', values: ['0', '-0.1', `${'9'.repeat(70)}.${'9'.repeat(30)}`, 'NaN'] },
  { name: 't_numeric_rounded', type: 'numeric(5,-2)', values: ['0', '-1234500', '9999900'], noKey: true },
  { name: 't_money', type: 'money', values: ['0', '-0.01', '12.34', '92233720368547758.07', '-92233720368547758.08', '1234567.80'], expected: 'v::numeric::text', found: 'toDecimalString(v, 2)' },
  { name: 't_text', type: 'text', values: [...UNICODE, LONG] },
  { name: 't_varchar', type: 'varchar(20)', values: [...UNICODE, 'x'.repeat(20)] },
  { name: 't_bpchar', type: 'character(5)', values: ['', ' ', 'a', ' a', 'é 🙂'], expected: 'v::text' },
  { name: 't_name', type: 'name', values: ['', 'a', '"A b"', 'x'.repeat(63)] },
  { name: 't_bytea', type: 'bytea', values: ['', '\\x00', '\\x00ff80', '\\x5c78', `\\x${'00ff7f80'.repeat(MEGABYTE / 4)}`], expected: "upper(encode(v, 'hex'))", found: 'hex(v)' },
  { name: 't_date', type: 'date', values: ['1900-01-01', '1969-12-31', '1970-01-01', '2299-12-31'] },
  { name: 't_stamp', type: 'timestamp', values: ['1900-01-01', '1969-12-31 23:59:59.999999', '2299-12-31 23:59:59.999999'], ...TIME_TEXT },
  { name: 't_stamptz', type: 'timestamptz', values: ['1900-01-01+00', '1969-12-31 23:59:59.999999+00', '2026-03-29 03:00+02', '2299-12-31 23:59:59.999999+00'], ...TIME_TEXT },
  { name: 't_uuid', type: 'uuid', values: ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '00000000-0000-0001-0000-000000000000'] },
  { name: 't_json', type: 'json', values: ['{"b" :  [1, null], "b": 2}', 'null', '"\\ud83d\\ude42"', '1e999', `"${'x'.repeat(MEGABYTE)}"`], noKey: true },
  { name: 't_jsonb', type: 'jsonb', values: ['{"b" :  [1, null], "b": 2}', 'null', '"é"', '1.10', '12345678901234567890123456789012'] },
  { name: 't_enum', type: 'mood', setup: "CREATE TYPE mood AS ENUM ('sad', 'o''k', 'a,b', 'ünï')", values: ['sad', "o'k", 'a,b', 'ünï'] },
  { name: 't_domain', type: 'posint', setup: 'CREATE DOMAIN posint AS integer CHECK (VALUE > 0)', values: ['1', '2147483647'] },
  { name: 't_domain_deep', type: 'price2', setup: 'CREATE DOMAIN price1 AS numeric(12,3); CREATE DOMAIN price2 AS price1 CHECK (VALUE >= 0)', values: ['0', '1.5', '999999999.999'], found: 'toDecimalString(v, 3)' },
  { name: 't_domain_mood', type: 'dmood', setup: "CREATE TYPE mood2 AS ENUM ('x', 'y'); CREATE DOMAIN dmood AS mood2", values: ['x', 'y'] },
  { name: 't_citext', type: 'citext', extension: 'citext', values: ['', 'A', 'bÉ', 'NULL'] },
]; // prettier-ignore

/** Types that travel as text. */
const TEXT: readonly HardType[] = [
  { name: 't_char1', type: '"char"', values: ['', 'a', '"', '\\377'] },
  { name: 't_time', type: 'time', values: ['00:00:00', '24:00:00', '12:34:56.789012', '00:00:00.000001'] },
  { name: 't_timetz', type: 'timetz', values: ['00:00:00+15:59', '24:00:00-15:59', '12:34:56.7+05:30'] },
  { name: 't_interval', type: 'interval', values: ['0', '1 year 2 mons -3 days +04:05:06.789', '-178000000 years', '00:00:00.000001', '-1 mons +1 day -00:00:01', '2147483647 days'] },
  { name: 't_inet', type: 'inet', values: ['0.0.0.0', '192.168.1.5/24', '255.255.255.255', '::', '::ffff:1.2.3.4', '2001:db8::1/64'] },
  { name: 't_cidr', type: 'cidr', values: ['0.0.0.0/0', '192.168.1.0/24', '10.1.2.3/32', '::/0', '2001:db8::/32'] },
  { name: 't_macaddr', type: 'macaddr', values: ['00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff'] },
  { name: 't_macaddr8', type: 'macaddr8', values: ['00:00:00:00:00:00:00:00', '08:00:2b:01:02:03:04:05'] },
  { name: 't_bit', type: 'bit(5)', values: ['00000', '10101'] },
  { name: 't_varbit', type: 'varbit', values: ['', '0', '1', '1'.repeat(100)] },
  { name: 't_point', type: 'point', values: ['(0,0)', '(-0,1e300)', '(NaN,Infinity)', '(0.1,0.2)'], noKey: true },
  { name: 't_line', type: 'line', values: ['{1,2,3}', '{-1,0,0.1}'], noKey: true },
  { name: 't_lseg', type: 'lseg', values: ['[(1,2),(3,4)]'], noKey: true },
  { name: 't_box', type: 'box', values: ['(3,4),(1,2)'], noKey: true },
  { name: 't_path', type: 'path', values: ['((1,2),(3,4))', '[(1,2),(3,4)]'], noKey: true },
  { name: 't_polygon', type: 'polygon', values: ['((0,0),(1,0),(1,1))'], noKey: true },
  { name: 't_circle', type: 'circle', values: ['<(1,2),3>'], noKey: true },
  { name: 't_tsvector', type: 'tsvector', values: ['', "'a':1A 'b c':2,3", "'o''k'"] },
  { name: 't_tsquery', type: 'tsquery', values: ['', "'a' & !'b'", "'x' <-> 'y':*"] },
  { name: 't_xml', type: 'xml', values: ['', '<a b="c">é<!-- x --></a>', 'text <b/>'], noKey: true },
  { name: 't_jsonpath', type: 'jsonpath', values: ['$."a"[*]?(@ > 1)'], noKey: true },
  { name: 't_pg_lsn', type: 'pg_lsn', values: ['0/0', 'FFFFFFFF/FFFFFFFF', '16/B374D848'] },
  { name: 't_regclass', type: 'regclass', values: ['pg_class', '0', '4000000000'], noKey: true },
  { name: 't_regtype', type: 'regtype', values: ['integer', 'character varying'] },
  { name: 't_tid', type: 'tid', values: ['(0,0)', '(4294967295,65535)'] },
  { name: 't_int4range', type: 'int4range', values: ['empty', '[1,5)', '(,)', '[3,)', '(,-2)'] },
  { name: 't_numrange', type: 'numrange', values: ['[1.10,2.5]', '(0.0,)', 'empty'] },
  { name: 't_tstzrange', type: 'tstzrange', values: ['["2026-01-01 00:00:00+00","2026-02-01 00:00:00+02")', '[-infinity,infinity]'] },
  { name: 't_daterange', type: 'daterange', values: ['[0044-03-15 BC,5874897-01-01)'] },
  { name: 't_multirange', type: 'int4multirange', values: ['{}', '{[1,3),[5,)}'] },
  { name: 't_ints', type: 'integer[]', values: ['{}', '{1,NULL,-3}', '{{1,2},{3,4}}', '[0:2]={1,2,3}', '[-1:0][2:3]={{1,2},{3,4}}', '{NULL}'] },
  { name: 't_texts', type: 'text[]', values: ['{}', '{"",NULL,"NULL","a,b","c\\"d","\\\\","{x}"," é🙂",null}', `{"${'x'.repeat(MEGABYTE)}"}`] },
  { name: 't_moods', type: 'mood3[]', setup: "CREATE TYPE mood3 AS ENUM ('on', 'o\"f')", values: ['{}', '{on,"o\\"f",NULL}'] },
  { name: 't_dates', type: 'date[]', values: ['{infinity,"0044-03-15 BC",2026-01-01}'] },
  { name: 't_prices', type: 'numeric(8,2)[]', values: ['{1,2.5,NaN,NULL}'] },
  { name: 't_boxes', type: 'box[]', values: ['{(3,4),(1,2);(1,1),(0,0)}'], noKey: true },
  { name: 't_uuids', type: 'uuid[]', values: ['{00000000-0000-0000-0000-000000000000,NULL}'] },
  { name: 't_stamps', type: 'timestamptz[]', values: ['{"2026-01-01 00:00:00+00",-infinity}'] },
  { name: 't_bytes', type: 'bytea[]', values: ['{"\\\\x00ff",NULL}'] },
  { name: 't_cash', type: 'money[]', values: ['{"$1,234.50",-$0.01}'] },
  { name: 't_domain_list', type: 'tags', setup: "CREATE DOMAIN tag AS varchar(9) CHECK (VALUE <> ''); CREATE DOMAIN tags AS tag[]", values: ['{a,"b,c"}', '{}'] },
  { name: 't_composite', type: 'pair', setup: 'CREATE TYPE pair AS (a integer, b text)', values: ['(,)', '(1,"a ""b"", c")', '(,"")', '(5,)'] },
  { name: 't_composites', type: 'pair2[]', setup: 'CREATE TYPE pair2 AS (a integer, b text)', values: ['{"(1,\\"a b\\")",NULL}'] },
  { name: 't_by_hand', type: 'geo', setup: `CREATE TYPE geo; CREATE FUNCTION geo_in(cstring) RETURNS geo IMMUTABLE STRICT LANGUAGE internal AS 'byteain'; CREATE FUNCTION geo_out(geo) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'byteaout';
    CREATE FUNCTION geo_send(geo) RETURNS bytea IMMUTABLE STRICT LANGUAGE internal AS 'byteasend'; CREATE TYPE geo (INPUT = geo_in, OUTPUT = geo_out, SEND = geo_send, INTERNALLENGTH = VARIABLE, STORAGE = extended)`, values: ['\\x0101000000', '\\x'], noKey: true },
  { name: 't_hstore', type: 'hstore', extension: 'hstore', values: ['', '"a"=>NULL, "b c"=>"d\\"e"'] },
  { name: 't_geometry', type: 'geometry', extension: 'postgis', values: ['POINT(1 2)', 'POINT EMPTY', 'SRID=4326;POINT ZM (0.1 -1e300 3 4)', 'GEOMETRYCOLLECTION(POLYGON((0 0,1 0,1 1,0 0)),LINESTRING(0 0,1e-300 1))', `LINESTRING(${Array.from({ length: 20_000 }, (_, i) => `${i} ${i / 7}`).join(',')})`], noKey: true },
  { name: 't_geography', type: 'geography(Point, 4326)', extension: 'postgis', values: ['POINT(13.4 52.5)', 'POINT(-180 -90)'], noKey: true },
  { name: 't_box3d', type: 'box3d', extension: 'postgis', values: ['BOX3D(0 0 0,1.5 1 1)'], noKey: true },
  { name: 't_geometries', type: 'geometry[]', extension: 'postgis', values: ['{0101000000000000000000F03F0000000000000040:NULL}'], noKey: true },
  { name: 't_vector', type: 'vector(3)', extension: 'vector', values: ['[1,2,3]', '[-0.1,1e-30,3.4028235e38]', '[0,-0,1e30]'], noKey: true },
  { name: 't_any_vector', type: 'vector', extension: 'vector', values: ['[1]', `[${Array.from({ length: 16_000 }, (_, i) => i / 7).join(',')}]`], noKey: true },
  { name: 't_halfvec', type: 'halfvec(2)', extension: 'vector', values: ['[1,65504]', '[-0.333,6e-8]'], noKey: true },
  { name: 't_sparsevec', type: 'sparsevec(9)', extension: 'vector', values: ['{1:1.5,9:-2}/9', '{}/9'], noKey: true },
  { name: 't_vectors', type: 'vector(2)[]', extension: 'vector', values: ['{"[1,2]",NULL,"[3,4]"}'], noKey: true },
  { name: 't_ltree', type: 'ltree', extension: 'ltree', values: ['', 'Top.Science.Astronomy'] },
]; // prettier-ignore

/** All types; those of extensions that the server does not have are for the caller to leave out. */
export const HARD_TYPES: readonly HardType[] = [
  ...BINARY_TYPES.map((type): HardType => ({ ...type, binary: true })),
  ...TEXT,
];

/** Creates what the types need, and leaves out those of extensions that the server does not have. */
export async function hardTypesOf(client: pg.Client, types: readonly HardType[]): Promise<HardType[]> {
  const available = await pgRows(client, 'SELECT name FROM pg_available_extensions');
  const names = new Set(available.map((row) => row['name']));
  const usable = types.filter(({ extension }) => extension === undefined || names.has(extension));
  for (const { extension, setup } of usable) {
    if (extension !== undefined) await client.query(`CREATE EXTENSION IF NOT EXISTS ${extension}`);
    if (setup !== undefined) await client.query(setup);
  }
  return usable;
}
