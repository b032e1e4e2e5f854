/**
 * Types that PostgreSQL changes without writing a value anew: the rows that are there are read by another output function
 * from then on. Where that writes the same, the mirror is altered in place; where not, the rows are read again.
 */
import { expect, test } from 'vitest';
import { temporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { copyDifferences } from './support/compare-any.ts';
import { startPipeline } from './support/pipeline.ts';
import { tableStates } from './support/tables.ts';

interface Retype {
  readonly from: string;
  readonly to: string;
  readonly values: readonly string[];
  /** Whether its rows are read again. */
  readonly anew: boolean;
}

const DECLARED = '<?xml version="1.0" encoding="utf-8"?><a/>';
const RETYPES: readonly Retype[] = [
  { from: 'varchar(5)', to: 'text', values: ['ab ', ''], anew: false },
  { from: 'text', to: 'citext', values: ['aB', ''], anew: false },
  { from: 'text', to: 'word', values: ['aB', ''], anew: false },
  { from: 'bit(4)', to: 'varbit', values: ['1010'], anew: false },
  { from: 'numeric(8,2)', to: 'numeric(12,2)', values: ['1.50', '0'], anew: false },
  { from: 'timestamp', to: 'timestamptz', values: ['2026-01-01 10:00:00.5'], anew: false },
  { from: 'interval(2)', to: 'interval', values: ['1.25 s'], anew: false },
  { from: 'numeric(8,2)', to: 'numeric', values: ['1.50', '0'], anew: true },
  { from: 'integer', to: 'oid', values: ['-1', '5'], anew: true },
  { from: 'cidr', to: 'inet', values: ['10.1.2.3/32', '10.0.0.0/8'], anew: true },
  { from: 'cidr', to: 'address', values: ['10.1.2.3/32', '10.0.0.0/8'], anew: true },
  { from: 'xml', to: 'text', values: [DECLARED, '<b/>'], anew: true },
  { from: 'regproc', to: 'regprocedure', values: ['pg_backend_pid'], anew: true },
];

test.each([
  ['only after the change', false],
  ['before and after the change', true],
])(
  'GIVEN types that are changed without writing values anew WHEN rows come %s THEN old rows are as the new type writes them, and none is lost',
  async (_, before) => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client.query(
      "CREATE EXTENSION citext; CREATE DOMAIN word AS text; CREATE DOMAIN address AS inet; SET timezone = 'UTC'",
    );
    const tables = RETYPES.map((__, i) => ({ schema: 'public', name: `t${i}`, target: `t${i}` }));
    for (const [i, { from, values }] of RETYPES.entries()) {
      await pg.client.query(`CREATE TABLE t${i} (id integer PRIMARY KEY, v ${from}); INSERT INTO t${i} VALUES (0)`);
      for (const [n, value] of values.entries())
        await pg.client.query(`INSERT INTO t${i} VALUES (${n + 1}, $1)`, [value]);
    }
    await using pipeline = startPipeline(pg, ch, { catalogPollMs: 200 });
    await pipeline.caughtUp();
    const old = await tableStates(pg, ch);
    for (const [i, { to }] of RETYPES.entries()) {
      const file = `SELECT pg_relation_filenode('t${i}') AS file`;
      const { rows } = await pg.client.query(file);
      if (before) await pg.client.query(`INSERT INTO t${i} SELECT id + 100, v FROM t${i}`);
      await pg.client.query(`ALTER TABLE t${i} ALTER v TYPE ${to}`);
      expect((await pg.client.query(file)).rows, `${to} is written anew`).toEqual(rows);
      await pg.client.query(`INSERT INTO t${i} SELECT id + 1000, v FROM t${i}`);
    }
    const equal = async (): Promise<string[]> => {
      await pipeline.caughtUp();
      const stopped = [...(await tableStates(pg, ch)).values()].filter(({ phase }) => phase !== 'live');
      const reasons = stopped.map(({ table, phase, reason }) => `${table} is ${phase}: ${reason}`);
      return [...reasons, ...(await copyDifferences(pg.client, ch, tables))];
    };
    await expect.poll(equal, { timeout: 250_000, interval: 500 }).toEqual([]);
    // Values on their way, in the words of the old type, may make more tables be read again.
    if (before) return;
    const now = await tableStates(pg, ch);
    const isAnew = (i: number): boolean => now.get(`public.t${i}`)?.generation !== old.get(`public.t${i}`)?.generation;
    const told = (is: (retype: Retype, i: number) => boolean): string[] =>
      RETYPES.filter(is).map(({ from, to }) => `${from} → ${to}`);
    expect(told((__, i) => isAnew(i))).toEqual(told(({ anew }) => anew));
  },
  300_000,
);
