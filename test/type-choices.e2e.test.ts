/** Types that the configuration chooses, and what becomes of values that do not fit them: in the load, the stream, the ledger and the proof. */
import { expect, test } from 'vitest';
import { lossesText } from '../src/cli/commands/losses.ts';
import { tableRules } from '../src/config/table-rules.ts';
import { readLosses } from '../src/pipeline/read-losses.ts';
import { verify } from '../src/verify/verify.ts';
import { temporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { verifyOptions } from './support/verification.ts';

const COLUMNS = {
  ints: { as: 'array', unfit: 'clamp' },
  days: { as: 'array', unfit: 'clamp' },
  texts: { as: 'array', unfit: 'clamp' },
  amount: { as: 'decimal(12,3)', unfit: 'null' },
  day: { unfit: 'null' },
  at: { unfit: 'clamp' },
  kept: { unfit: 'text' },
  exact: { unfit: 'text' },
  kind: { as: 'lowcardinality' },
  plain: { as: 'text' },
} as const;

/** Rows from `$id` on: the first fits, the others do not. */
const ROWS = (id: number): string => `INSERT INTO item VALUES
  (${id}, '{1,NULL,3}', '{2026-01-01,NULL}', '{"a,b",NULL,"NULL",""}', 1.5, '2026-01-01', '2026-01-01 00:00:00+00', '2026-01-01', 1.25, 'x', 7),
  (${id + 1}, '{{1,2},{3,4}}', '{infinity}', '[0:1]={a,b}', 'NaN', 'infinity', '-infinity', 'infinity', 'NaN', 'y', -8),
  (${id + 2}, NULL, NULL, NULL, 123456789012, '0044-03-15 BC', '2300-01-01', '0044-03-15 BC', -0.01, NULL, NULL),
  (${id + 3}, '{}', '{}', '{}', 0.0001, NULL, NULL, NULL, NULL, 'x', 0)`;

test('GIVEN chosen types and policies WHEN rows with values that do not fit are loaded and streamed THEN the copy has what the policy says, it is counted with keys, and proved', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(
    `CREATE TABLE item (id integer PRIMARY KEY, ints integer[], days date[], texts text[], amount numeric, day date, at timestamptz, kept date, exact numeric(6,2), kind text, plain integer)`,
  );
  await pg.client.query(ROWS(1));
  const tables = [{ match: 'public.item', columns: COLUMNS }];
  await using pipeline = startPipeline(pg, ch, { tables });
  await pipeline.caughtUp();
  await pg.client.query(ROWS(101));
  await pg.client.query('UPDATE item SET ints = NULL WHERE id = 101');
  await pipeline.caughtUp();

  const types = await ch.client.rows<{ name: string; type: string }>(
    `SELECT name, type FROM system.columns WHERE database = '${ch.database}' AND table = 'item' AND name NOT LIKE '\\\\_%' ORDER BY position`,
  );
  expect(types.map(({ type }) => type)).toEqual([
    'Int32',
    'Array(Nullable(Int32))',
    'Array(Nullable(Date32))',
    'Array(Nullable(String))',
    'Nullable(Decimal(12, 3))',
    'Nullable(Date32)',
    "Nullable(DateTime64(6, 'UTC'))",
    'Nullable(String)',
    'Nullable(String)',
    'LowCardinality(Nullable(String))',
    'Nullable(String)',
  ]);
  const rows = await ch.client.rows(`SELECT * FROM ${ch.database}.item_current WHERE id >= 100 ORDER BY id`);
  expect(rows.map((row) => Object.values(row).slice(1))).toEqual([
    [
      [],
      ['2026-01-01', null],
      ['a,b', null, 'NULL', ''],
      '1.5',
      '2026-01-01',
      '2026-01-01 00:00:00.000000',
      '2026-01-01',
      '1.25',
      'x',
      '7',
    ],
    [[1, 2, 3, 4], ['2299-12-31'], ['a', 'b'], null, null, '1900-01-01 00:00:00.000000', 'infinity', 'NaN', 'y', '-8'],
    [[], [], [], null, null, '2299-12-31 23:59:59.999999', '0044-03-15 BC', '-0.01', null, null],
    [[], [], [], null, null, null, null, null, 'x', '0'],
  ]);

  const names = { database: ch.database, internal: ch.internal };
  const losses = await readLosses(ch.client, names, pg.database);
  const told = losses.map(
    ({ column, reason, action, values, sample, key }) =>
      `${column}: ${reason} → ${action} ×${values}, ${sample} of ${key.join('/')}`,
  );
  expect(told).toEqual(
    [
      'amount: 12 digits before the point, 9 fit → null ×2, 123456789012 of 103',
      'amount: NaN → null ×2, NaN of 102',
      'amount: more than 3 digits behind the point → null ×2, 0.0001 of 104',
      'at: -infinity → clamp ×2, -infinity of 102',
      'at: year 2300 is outside 1900–2299 → clamp ×2, 2300-01-01 00:00:00 of 103',
      'day: infinity → null ×2, infinity of 102',
      'day: year 44 BC is outside 1900–2299 → null ×2, 0044-03-15 BC of 103',
      'days: NULL in an Array → clamp ×2, NULL of 103',
      'days: infinity → clamp ×2, infinity of 102',
      'ints: NULL in an Array → clamp ×3, NULL of 103',
      'ints: several dimensions → clamp ×2, {{1,2},{3,4}} of 102',
      'texts: NULL in an Array → clamp ×2, NULL of 103',
      'texts: the first index is not 1 → clamp ×2, [0:1]={a,b} of 102',
    ].map(
      (line) =>
        expect.stringMatching(
          line
            .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
            .replace('2300-01-01 00:00:00', '2300-01-01 00:00:00(\\+00)?')
            .replace('×3, NULL of 103', '×3, NULL of 10[13]'),
        ) as string,
    ),
  );
  expect(lossesText(losses)).toContain('several dimensions');

  const rules = tableRules({ tables, maskSalt: null });
  const proof = await verify(verifyOptions(pg, ch, { patterns: { include: ['public.*'], exclude: [], ...rules } }));
  expect(proof.differences).toEqual([]);
  expect(proof.verdict).toBe('equal');
});
