/**
 * The keys of a rule for tables (`tables:` in the file), each with its meaning and its form. From here come the check of
 * what was written, the types, docs/config.md and the JSON schema.
 */
import { z } from 'zod';
import { TABLE_PATTERN } from '../model/patterns.ts';
import type { RowTransform, Transform } from '../model/table-rule.ts';

/** One key: what it means, what its values look like in words, and the form they are checked by. */
interface Key {
  readonly text: string;
  readonly values: string;
  readonly schema: z.ZodType;
}

const NOT_NULL_TEXT = (problem: string): z.ZodString => z.string(problem).min(1, problem);
const YES_OR_NO = z.boolean('expected true or false');

const PATTERN = z
  .string('expected a pattern such as public.users or public.*')
  .regex(TABLE_PATTERN, 'expected a pattern such as public.users or public.*');

type Truncate = `truncate(${number})`;
const MASKS = 'expected hash, null, truncate(n) or none';

/** Keys of `columns: {name: …}`. */
export const COLUMN_KEYS = {
  exclude: {
    text: 'The column is not copied. Where the source can hold it back (PostgreSQL 15, replica identity DEFAULT) it does not leave it.',
    values: '`true`, `false`',
    schema: YES_OR_NO,
  },
  mask: {
    text: 'Its values are made unreadable before anything is stored in ClickHouse: SHA-256 with `maskSalt`, NULL, or the first n characters. A column of the key can only be hashed. The spool and the journal on the disk here hold what the source sends.',
    values: '`hash`, `null`, `truncate(n)`, `none`',
    schema: z.union(
      [
        z.enum(['hash', 'null', 'none']),
        z.null(),
        // Typed for TypeScript configurations; the pattern alone would be any text.
        z.string().regex(/^truncate\([1-9]\d{0,5}\)$/, MASKS) as z.ZodType as z.ZodType<Truncate, Truncate>,
      ],
      MASKS,
    ),
  },
  transform: {
    text: 'A function of a configuration in TypeScript or JavaScript that makes of each value another one. See below.',
    values: 'a function: text or `null` in, text or `null` out',
    schema: z.custom<Transform>(
      (value) => typeof value === 'function',
      'expected a function, in a configuration of TypeScript or JavaScript',
    ),
  },
  as: {
    text: 'Another type in the copy than the usual one: see docs/types.md.',
    values: '`text`, `array`, `decimal(p,s)`',
    schema: z
      .string('expected a form such as text, array or decimal(38,9)')
      .regex(/^[a-z][a-z0-9]*(\(\d+(, ?\d+)?\))?$/, 'expected a form such as text, array or decimal(38,9)'),
  },
  unfit: {
    text: 'What a value of this column becomes that the copy cannot hold; else `unfitPolicy` says.',
    values: '`fail`, `null`, `clamp`, `text`',
    schema: z.union([z.enum(['fail', 'null', 'clamp', 'text']), z.null()], 'expected one of fail, null, clamp, text'),
  },
  nullable: {
    text: 'Whether the column is `Nullable` in the copy; else where the source allows NULL. `true` for one that is NOT NULL there: it may be altered without the copy changing. `false` for one that may be NULL there: NULL then is a value that does not fit, and under `clamp` becomes zero, 1970-01-01 or the empty text.',
    values: '`true`, `false`',
    schema: YES_OR_NO,
  },
  codec: {
    text: 'Compression of the column in ClickHouse.',
    values: 'for example `ZSTD(3)`',
    schema: z
      .string('expected codecs such as Delta, ZSTD(3)')
      .regex(
        /^[A-Za-z0-9]+(\([0-9, ]*\))?(, ?[A-Za-z0-9]+(\([0-9, ]*\))?)*$/,
        'expected codecs such as Delta, ZSTD(3)',
      ),
  },
  computed: {
    text: 'Of a generated column that PostgreSQL does not publish: what `<table>_current` computes it by. See below.',
    values: 'expression of ClickHouse, over the columns of the copy',
    schema: NOT_NULL_TEXT('expected an expression'),
  },
} as const satisfies Record<string, Key>;

/** Keys of a rule. */
export const TABLE_KEYS = {
  match: {
    text: 'Which tables the rule is for.',
    values: 'a pattern or a list of them',
    schema: z.union([PATTERN, z.array(PATTERN).min(1)], 'expected a pattern such as public.users, or a list of them'),
  },
  include: {
    text: 'Copies these tables, also where `includeTables` and `excludeTables` do not.',
    values: '`true`',
    schema: z.literal(true, 'expected true (or exclude: true)'),
  },
  exclude: {
    text: 'Does not copy these tables.',
    values: '`true`',
    schema: z.literal(true, 'expected true (or include: true)'),
  },
  target: {
    text: 'Name of the copy in ClickHouse; for a single table. Else `table`, or `schema_table` outside of `public`.',
    values: 'name',
    schema: NOT_NULL_TEXT('expected a name of at most 100 characters').max(
      100,
      'expected a name of at most 100 characters',
    ),
  },
  columns: {
    text: 'What is said of single columns, by their names or patterns of them.',
    values: 'see below',
    schema: z.record(
      z.string(),
      z.strictObject(optional(COLUMN_KEYS), 'expected keys such as mask: hash'),
      'expected columns, each with its keys',
    ),
  },
  transform: {
    text: 'A function of a configuration in TypeScript or JavaScript that makes values of a row of several others of it. See below.',
    values: '`reads`: columns and how they are read, `sets`: columns, `row`: a function',
    schema: z.strictObject(
      {
        reads: z.record(
          z.string(),
          z.enum(
            ['text', 'number', 'bigint', 'boolean', 'json'],
            'expected one of text, number, bigint, boolean, json',
          ),
          'expected columns, each with how it is read',
        ),
        sets: z.array(NOT_NULL_TEXT('expected names of columns')).min(1, 'expected at least one column'),
        row: z.custom<RowTransform['apply']>(
          (value) => typeof value === 'function',
          'expected a function, in a configuration of TypeScript or JavaScript',
        ),
      },
      'expected reads, sets and row',
    ),
  },
  where: {
    text: 'Only rows that fulfil this condition are copied, by the publication (PostgreSQL 15 and newer) and in the load alike. Its columns must be in the replica identity.',
    values: 'condition in SQL of PostgreSQL',
    schema: NOT_NULL_TEXT('expected a condition'),
  },
  orderBy: {
    text: 'Sorting key in ClickHouse: columns of the key in any order, missing ones are appended. Others must be NOT NULL, under REPLICA IDENTITY FULL.',
    values: 'column or columns',
    schema: z.union(
      [NOT_NULL_TEXT('expected a column or a list of them'), z.array(NOT_NULL_TEXT('expected columns')).min(1)],
      'expected a column or a list of them',
    ),
  },
  partitionBy: {
    text: 'Partitions in ClickHouse, by columns of the sorting key alone: so all versions of a row are in one of them.',
    values: 'expression of ClickHouse',
    schema: NOT_NULL_TEXT('expected an expression'),
  },
  settings: {
    text: 'Settings of the table engine in ClickHouse.',
    values: 'names and values',
    schema: z.record(
      z.string().regex(/^[a-z][a-z0-9_]*$/, 'expected a name of a setting'),
      z.union([z.number(), z.boolean(), z.string()]),
      'expected settings such as index_granularity: 1024',
    ),
  },
  onDelete: {
    text: 'What DELETE and TRUNCATE in the source do to the copy: rows go (mirror), stay with `_deleted_at` (soft), or stay as if nothing had happened, and are counted (keep).',
    values: '`mirror`, `soft`, `keep`',
    schema: z.enum(['mirror', 'soft', 'keep'], 'expected one of mirror, soft, keep'),
  },
} as const satisfies Record<string, Key>;

type Optional<Keys extends Record<string, Key>> = { [Name in keyof Keys]: z.ZodOptional<Keys[Name]['schema']> };

function optional<Keys extends Record<string, Key>>(keys: Keys): Optional<Keys> {
  const entries = Object.entries(keys).map(([name, { schema, text }]) => [name, schema.describe(text).optional()]);
  return Object.fromEntries(entries) as Optional<Keys>;
}

/** One rule. */
export const TABLE_RULE = z.strictObject(
  { ...optional(TABLE_KEYS), match: TABLE_KEYS.match.schema.describe(TABLE_KEYS.match.text) },
  'expected keys such as match: public.users',
);

/** All of them, in order: later ones win, key by key. */
export const TABLE_RULES = z.array(TABLE_RULE, 'expected a list of rules, each with match: and what it says');

/** A rule as it was written. */
export type GivenRule = z.output<typeof TABLE_RULE>;
/** A rule as it may be written in TypeScript. */
export type RuleInput = z.input<typeof TABLE_RULE>;
