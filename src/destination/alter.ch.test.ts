/** Mirrors that are altered hold the values that the source has, whatever came, went and changed its name, and wherever it stopped. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { temporaryClickHouse } from '../../test/support/databases.ts';
import { attnumOf, columnComment, type MirrorColumn, planAlteration, type WantedColumn } from './alter.ts';
import type { ClickHouse } from './client.ts';

interface Column {
  attnum: number;
  name: string;
  type: string;
  /** What row `id` has in it. */
  valueOf: (id: number) => string | null;
}

/** A table as the source would have it. */
interface Model {
  columns: Column[];
  nextAttnum: number;
}

const ROWS = [1, 2, 3];
const NAMES = ['a', 'b', 'c', 'd', '_renamed_2', "q`'\\"];
const WIDER: Record<string, string> = {
  Int16: 'Int32',
  Int32: 'Int64',
  Float32: 'Float64',
  'Decimal(10, 2)': 'Decimal(30, 2)',
};
const FIRST_TYPES = [...Object.keys(WIDER), 'String'];

const step = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), type: fc.constantFrom(...FIRST_TYPES), initial: fc.option(fc.integer({ min: -99, max: 99 })), name: fc.nat(5) }),
  fc.record({ kind: fc.constantFrom('drop' as const, 'widen' as const, 'null' as const, 'not null' as const), column: fc.nat(9) }),
  fc.record({ kind: fc.constant('permute' as const), names: fc.shuffledSubarray(NAMES, { minLength: NAMES.length }) }),
); // prettier-ignore
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const nullable = (type: string): boolean => type.startsWith('Nullable(');
const inner = (type: string): string => /^Nullable\((.+)\)$/.exec(type)?.[1] ?? type;
const around = (type: string, isNullable: boolean): string => (isNullable ? `Nullable(${inner(type)})` : inner(type));

function apply(model: Model, change: Step): void {
  const taken = new Set(model.columns.map(({ name }) => name));
  if (change.kind === 'add') {
    const name = NAMES.find((free, i) => i >= change.name && !taken.has(free));
    if (name === undefined) return;
    const text = change.initial === null ? null : String(change.initial);
    const type = around(change.type, text === null);
    model.columns.push({ attnum: model.nextAttnum++, name, type, valueOf: () => text });
    return;
  }
  if (change.kind === 'permute') {
    for (const [i, column] of model.columns.entries()) column.name = change.names[i] ?? column.name;
    return;
  }
  const column = model.columns[change.column % Math.max(1, model.columns.length)];
  if (column === undefined) return;
  if (change.kind === 'drop') model.columns = model.columns.filter((other) => other !== column);
  else if (change.kind === 'widen')
    column.type = around(WIDER[inner(column.type)] ?? inner(column.type), nullable(column.type));
  else if (change.kind === 'null') column.type = around(column.type, true);
  else if (ROWS.every((id) => column.valueOf(id) !== null)) column.type = around(column.type, false);
}

async function found(ch: ClickHouse, database: string): Promise<MirrorColumn[]> {
  const rows = await ch.rows<{ name: string; type: string; comment: string }>(
    `SELECT name, type, comment FROM system.columns WHERE database = {database:String} AND table = 't' AND name NOT IN ('id', '_deleted') ORDER BY position`,
    { params: { database } },
  );
  return rows.map(({ name, type, comment }) => ({ name, type, attnum: attnumOf(comment) ?? 0, isTold: true, isInKey: false })); // prettier-ignore
}

function wanted({ columns }: Model): WantedColumn[] {
  return columns.map(({ attnum, name, type, valueOf }) => {
    const value = valueOf(1);
    const initial = value === null ? 'NULL' : `'${value}'`;
    return { name, type, attnum, compression: 'ZSTD(1)', initial, keepsValues: true };
  });
}

test('GIVEN a mirror WHEN columns come, go, widen and exchange names THEN what the plan makes of it has their values, also when it stops and is planned anew', async () => {
  await using ch = await temporaryClickHouse();
  await ch.client.command(`CREATE DATABASE ${ch.database} ENGINE = Atomic`);
  const settings = { mutations_sync: 2, alter_sync: 2 };
  const table = `${ch.database}.t`;
  const first: Column = { attnum: 1, name: 'a', type: 'Int16', valueOf: (id) => String(id * 7) };
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { maxLength: 5 }), { minLength: 1, maxLength: 3 }), fc.nat(20), async (looks, stop) => {
      await ch.client.command(`DROP TABLE IF EXISTS ${table} SYNC`);
      await ch.client.command(`CREATE TABLE ${table} (id Int32, a Int16 COMMENT '${columnComment(1)}', _deleted UInt8) ENGINE = ReplacingMergeTree ORDER BY id`);
      await ch.client.command(`INSERT INTO ${table} VALUES ${ROWS.map((id) => `(${id}, ${id * 7}, 0)`).join(', ')}`);
      const model: Model = { columns: [{ ...first }], nextAttnum: 2 };
      for (const changes of looks) {
        for (const change of changes) apply(model, change);
        for (const upTo of [stop, Number.POSITIVE_INFINITY]) {
          const plan = planAlteration(table, await found(ch.client, ch.database), wanted(model));
          if (plan.kind === 'rebuild') throw new Error(plan.why);
          const statements = plan.kind === 'in line' ? [] : plan.statements;
          for (const sql of statements.slice(0, upTo)) await ch.client.command(sql, { settings });
        }
        const now = await found(ch.client, ch.database);
        expect(planAlteration(table, now, wanted(model))).toEqual({ kind: 'in line' });
        expect(now.map(({ name, type, attnum }) => ({ name, type, attnum }))).toEqual(model.columns.map(({ name, type, attnum }) => ({ name, type, attnum })));
        const list = now.map(({ name }) => `toString(\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\`)`).join(', ');
        const rows = await ch.client.rows<{ values: (string | null)[] }>(`SELECT array(${list}) AS values FROM ${table} ORDER BY id`);
        const values = ROWS.map((id) => model.columns.map(({ valueOf }) => valueOf(id)));
        expect(model.columns.length === 0 ? [] : rows.map((row) => row.values)).toEqual(model.columns.length === 0 ? [] : values);
      }
    }),
    { numRuns: 60 },
  ); // prettier-ignore
}, 180_000);

const KEY: MirrorColumn = { name: 'id', type: 'Int32', attnum: 1, isTold: true, isInKey: true };
const PLAIN: MirrorColumn = { name: 'a', type: 'Int32', attnum: 2, isTold: true, isInKey: false };
const want = ({ name, type, attnum }: MirrorColumn, changed: Partial<WantedColumn> = {}): WantedColumn => {
  return { name, type, attnum, compression: 'ZSTD(1)', initial: null, keepsValues: true, ...changed };
};

test('GIVEN a column with a default that rows do not hold WHEN it becomes nullable and mandatory again THEN they keep it', async () => {
  await using ch = await temporaryClickHouse();
  await ch.client.command(`CREATE DATABASE ${ch.database} ENGINE = Atomic`);
  const table = `${ch.database}.t`;
  await ch.client.command(`CREATE TABLE ${table} (id Int32, _deleted UInt8) ENGINE = ReplacingMergeTree ORDER BY id`);
  await ch.client.command(`INSERT INTO ${table} VALUES (1, 0)`);
  const column = { name: 'a', attnum: 2, compression: 'ZSTD(1)', initial: "'7'", keepsValues: true };
  for (const type of ['Int32', 'Nullable(Int32)', 'Int32', 'Int64', 'Nullable(Int64)']) {
    const plan = planAlteration(table, await found(ch.client, ch.database), [{ ...column, type }]);
    if (plan.kind !== 'alter') throw new Error(plan.kind);
    for (const sql of plan.statements) await ch.client.command(sql, { settings: { mutations_sync: 2, alter_sync: 2 } });
    expect(await ch.client.rows(`SELECT toString(a) AS text, toTypeName(a) AS type FROM ${table}`)).toEqual([
      { text: '7', type },
    ]);
  }
});

test.each([
  ['its key has another name', [want(KEY, { name: 'key' }), want(PLAIN)]],
  ['its key has another type', [want(KEY, { type: 'Int64' }), want(PLAIN)]],
  ['its key is gone', [want(PLAIN)]],
  ['a type is narrower', [want(KEY), want(PLAIN, { type: 'Int16' })]],
  ['a type is another', [want(KEY), want(PLAIN, { type: 'String' })]],
  ['values are not those of the source', [want(KEY), want(PLAIN, { keepsValues: false })]],
  ['what rows have in a new column is not known', [want(KEY), want(PLAIN), want({ ...PLAIN, name: 'b', attnum: 3 })]],
])('GIVEN a mirror WHEN %s THEN it is to be built anew', (_, columns) => {
  expect(planAlteration('t', [KEY, PLAIN], columns).kind).toBe('rebuild');
});

test('GIVEN a mirror that does not tell its columns WHEN it is altered THEN it tells them', () => {
  const untold = [KEY, PLAIN].map((column) => ({ ...column, isTold: false }));
  expect(planAlteration('t', untold, [want(KEY), want(PLAIN)])).toEqual({ kind: 'in line' });
  const plan = planAlteration('t', untold, [want(KEY), want(PLAIN, { name: 'z' })]);
  expect(plan).toMatchObject({ statements: ['ALTER TABLE t RENAME COLUMN `a` TO `z`', "ALTER TABLE t COMMENT COLUMN `id` 'attnum 1', COMMENT COLUMN `z` 'attnum 2'"] }); // prettier-ignore
});
