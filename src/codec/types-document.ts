/** docs/types.md, made from the table of types. */
import type { SourceColumn, SourceType } from '../model/table.ts';
import { typeCodecOf } from './column-type.ts';
import type { TypeCodec } from './type-codecs.ts';

/** A type as people call it, and how it travels. */
export interface DocumentedType {
  readonly name: string;
  readonly codec: TypeCodec;
  /** Other ways, by `as`. */
  readonly alternatives: string;
}

/** What people call the types that have an entry, with their oid (0: any), modifier and kind. */
const NAMES: readonly (readonly [name: string, oid: number, alternatives: string, type?: Partial<SourceType>])[] = [
  ['boolean', 16, 'text'],
  ['smallint', 21, 'text'],
  ['integer', 23, 'text'],
  ['bigint', 20, 'text'],
  ['oid', 26, 'text'],
  ['xid', 28, 'text'],
  ['xid8', 5069, 'text'],
  ['real', 700, 'text'],
  ['double precision', 701, 'text'],
  ['numeric(p,s)', 1700, 'text, decimal(p,s)', { typeMod: (12 << 16) + 2 + 4 }],
  ['numeric, also with more than 76 digits or s < 0', 1700, 'decimal(p,s)'],
  ['money', 790, 'text'],
  ['text', 25, 'lowcardinality'],
  ['varchar(n)', 1043, 'lowcardinality'],
  ['character(n)', 1042, 'lowcardinality'],
  ['name', 19, 'lowcardinality'],
  ['citext', 0, 'lowcardinality', { sendsText: true }],
  ['json', 114, 'lowcardinality'],
  ['jsonb', 3802, 'lowcardinality'],
  ['bytea', 17, 'text'],
  ['date', 1082, 'text'],
  ['timestamp', 1114, 'text'],
  ['timestamptz', 1184, 'text'],
  ['uuid', 2950, 'text'],
  ['enum types', 0, 'text', { kind: 'enum' }],
];

/** Types that have nothing better than their text. */
const AS_TEXT_ONLY =
  '`time`, `timetz`, `interval`, `inet`, `cidr`, `macaddr`, `macaddr8`, `bit`, `varbit`, `point`, `line`, `lseg`, `box`, `path`, `polygon`, `circle`, ' +
  '`tsvector`, `tsquery`, `xml`, `jsonpath`, `pg_lsn`, `"char"`, `regclass` and its kin, ranges, multiranges, composite types, `hstore`, `ltree`, ' +
  'PostGIS `geometry` and `geography` (their hexadecimal EWKB), pgvector, and every type that Millrace has never heard of';

/** Every type with an entry of its own. */
export function documentedTypes(): DocumentedType[] {
  return NAMES.map(([name, oid, alternatives, type]) => ({
    name,
    codec: typeCodecOf(columnOf(name, oid, type)),
    alternatives,
  }));
}

function columnOf(name: string, oid: number, type: Partial<SourceType> = {}): SourceColumn {
  const full: SourceType = { oid, typeMod: -1, name, kind: 'base', element: null, sendsText: false, ...type };
  return { name: 'c', attnum: 1, typeOid: oid, typeMod: full.typeMod, typeName: name, nullable: false, type: full };
}

function line({ name, codec, alternatives }: DocumentedType): string {
  const stored = codec.isDictionary === true ? `LowCardinality(${codec.type})` : codec.type;
  const shown = name === 'numeric(p,s)' ? 'Decimal(p, s)' : stored;
  const as = alternatives
    .split(/, (?!s)/)
    .map((choice) => `\`${choice}\``)
    .join(', ');
  return `| ${name} | \`${shown}\` | ${codec.binary ? 'binary' : 'text'} | ${codec.misfits ?? '–'} | ${as} |`;
}

/** docs/types.md. */
export function typesDocument(): string {
  return `<!-- Made by \`npm run docs\` from the code. Do not edit. -->

# Types

What becomes of each PostgreSQL type. Nothing is lost by default: a type without an entry travels as the text that PostgreSQL itself writes, in a \`String\`.

| PostgreSQL | ClickHouse | read as | does not fit | other ways (\`as\`) |
|---|---|---|---|---|
${documentedTypes().map(line).join('\n')}
| everything else | \`String\` | text | – | \`lowcardinality\` |
| arrays of any type | \`String\` | text | – | \`array\`: see below |

* **Everything else**: ${AS_TEXT_ONLY}. It is the text of the type's output function in a session with \`DateStyle = ISO\`, \`IntervalStyle = postgres\`, \`TimeZone = UTC\`, \`bytea_output = hex\`, \`lc_monetary = C\`, \`extra_float_digits = 3\`, the same in the load, in the stream and in \`millrace verify\`.
* **NULL**: a column is \`Nullable(…)\` where the source allows NULL, and only there, unless \`nullable\` says otherwise: \`nullable: true\` for one that is NOT NULL, \`nullable: false\` for one that may be NULL. NULL does not fit into the latter; under \`clamp\` it becomes what ClickHouse has for nothing (0, false, 1970-01-01, the empty text), counted. Key columns never are \`Nullable\`.
* **Domains** are what they stand for, with its modifier, also as elements of arrays.
* **numeric** without precision has no \`Decimal\` that holds all of it: it stays text, with every digit and zero. \`as: decimal(38,10)\` makes it a number; values with more digits do not fit then.
* **money** counts hundredths. In a database whose \`lc_monetary\` has other than two digits behind the point (\`ja_JP\`), it is a hundredth of what people see.
* **character(n)** comes without the blanks at its end, which PostgreSQL ignores in comparisons. **bytea** is the bytes themselves.
* **timestamp** has no time zone: its wall clock is kept as if it were UTC. **json** is kept letter by letter, **jsonb** as PostgreSQL prints it.
* **Enums**: \`LowCardinality(String)\`, so that values added later need nothing. A label that is renamed makes the tables that use it be built anew.
* **regclass** and its kin are written as the name that the object has when the row is read, which WAL knows nothing of: prefer \`oid\`.
* One column that is read as text makes the whole stream text: PostgreSQL sends binary for all tables or for none. Text costs the reader more CPU.

## Arrays

As text by default: \`{1,NULL,3}\`, which can hold all that PostgreSQL has. With \`as: array\` they become \`Array(Nullable(T))\`, T as in the table above. An array that is NULL, has several dimensions or does not begin at index 1 does not fit; under \`clamp\` it becomes the list of its elements, in order. A key cannot be an \`Array\`.

## Values that do not fit

Per column (\`unfit\`) or for all (\`unfitPolicy\`):

| policy | a value that does not fit |
|---|---|
| \`fail\` (default) | quarantines its table: nothing is written that is not so in the source |
| \`null\` | becomes NULL, where the column can be NULL; else as \`fail\` |
| \`clamp\` | becomes the nearest value that fits; NaN, which has none, as \`fail\` |
| \`text\` (column only) | always fits: the whole column is a \`String\` of PostgreSQL's text |

Each value replaced is counted in the loss ledger, with a sample and the key of its row: \`millrace losses\`. Values of keys never are replaced, as two rows must not become one.

## Where ClickHouse's own \`postgresql()\` reader loses, and Millrace does not

As of ClickHouse 26.7; a test compares them.

| source | \`postgresql()\` gives | Millrace |
|---|---|---|
| \`date 'infinity'\`, dates BC | 1970-01-01, in silence | \`fail\`, or as the policy says, counted |
| \`date '9999-12-31'\` | 2299-12-31, in silence | the same |
| \`timestamptz '-infinity'\` | 1970-01-01, in silence | the same |
| \`timestamp '0044-03-15 BC'\` | the year 44 of our era, in silence | the same |
| \`timestamp '294276-01-01'\` | 1970-01-04 09:44:36, in silence | the same |
| \`timestamp 'infinity'\`, \`NaN\` in \`numeric(p,s)\` | an error for the whole table | the same; other tables go on |
| \`numeric\` without precision | \`Decimal(38, 19)\`: further digits are cut in silence, longer numbers an error | all digits, as text |
| \`numeric\` with more than 76 digits | an error for the whole table | all digits, as text |
| a domain | \`String\` | the type that it stands for |
| arrays of several dimensions, or whose first index is not 1 | an error for the whole table | the text; \`as: array\` counts them |
| a NULL array | \`[]\`, in silence | NULL; \`as: array\` counts them |
| \`character(n)\` | with its padding | without |
| \`bytea\` | its hexadecimal text | its bytes |
| \`money\` | text that depends on the locale | \`Decimal(19, 2)\` |
`;
}
