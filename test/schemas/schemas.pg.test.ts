/** The schemas of the tests themselves: valid, broad, repeatable. A statement that changes nothing would test nothing. */
import type pg from 'pg';
import { describe, expect, test } from 'vitest';
import { randomStreams } from '../../src/generator/random.ts';
import { temporaryPostgres } from '../support/databases.ts';
import { COMMERCE } from './commerce/commerce.ts';
import { EXCHANGE } from './exchange/exchange.ts';
import { LEGACY } from './legacy/legacy.ts';
import type { RealSchema } from './real-schema.ts';
import { Traffic } from './traffic.ts';

/** Rows of all tables, one hash each. */
async function content(client: pg.Client, schema: RealSchema): Promise<Record<string, string>> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1) AND c.relkind = 'r' ORDER BY 1`,
    [schema.schemas],
  );
  const found: Record<string, string> = {};
  for (const { name } of rows) {
    const { rows: sums } = await client.query<{ sum: string }>(
      `SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, ',' ORDER BY t::text COLLATE "C")), '') AS sum FROM ONLY ${name} t`,
    );
    found[name] = sums[0]?.sum ?? '';
  }
  return found;
}

async function run(
  client: pg.Client,
  schema: RealSchema,
  { seed, transactions }: { seed: number; transactions: number },
) {
  const traffic = new Traffic(schema);
  await traffic.setup(client);
  const random = randomStreams(seed)();
  for (let i = 0; i < transactions; i++) await traffic.transaction(client, random);
  return { traffic, random };
}

describe.each([EXCHANGE, COMMERCE, LEGACY])('schema $name', (schema) => {
  test('every statement of its traffic changes rows, before and after all migrations', async () => {
    await using pg = await temporaryPostgres();
    const { traffic, random } = await run(pg.client, schema, { seed: 1, transactions: 500 });
    const idle = Object.keys(schema.statements).filter((name) => (traffic.changed.get(name) ?? 0) === 0);
    expect(idle).toEqual([]);
    for (const migration of schema.migrations) {
      await traffic.migrate(pg.client, migration);
      for (let i = 0; i < 40; i++) await traffic.transaction(pg.client, random);
    }
    const added = schema.migrations.flatMap(({ statements }) => Object.entries(statements ?? {}));
    expect(added.filter(([name, sql]) => sql !== null && (traffic.changed.get(name) ?? 0) === 0)).toEqual([]);
  });

  test('the same seed makes the same rows, another one others', async () => {
    const contents: Record<string, string>[] = [];
    for (const seed of [7, 7, 8]) {
      await using pg = await temporaryPostgres();
      await run(pg.client, schema, { seed, transactions: 60 });
      contents.push(await content(pg.client, schema));
    }
    expect(contents[1]).toEqual(contents[0]);
    expect(contents[2]).not.toEqual(contents[0]);
  });
});
