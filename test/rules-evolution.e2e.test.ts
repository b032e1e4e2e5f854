/** Tables with rules whose columns change: rows that only the copy has stay, and what is excluded does not come in. */
import { expect, test } from 'vitest';
import { temporaryClickHouse, type TemporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { tableState } from './support/tables.ts';

async function rows(ch: TemporaryClickHouse, columns: string, table: string): Promise<string[]> {
  const found = await ch.client.rows(`SELECT ${columns} FROM ${ch.database}.${table}_current ORDER BY ALL`);
  return found.map((row) => Object.values(row).map(String).join(' '));
}

const COLUMNS = 'id int PRIMARY KEY, a int, secret text, b text';
const TABLES = ['soft', 'keep', 'whole']
  .map((table) => `CREATE TABLE ${table} (${COLUMNS}); INSERT INTO ${table} SELECT i, i, 'secret' || i, 'b' FROM generate_series(1, 4) i`)
  .join(';'); // prettier-ignore

test('GIVEN rules that keep deleted rows, and an excluded column under REPLICA IDENTITY FULL WHEN columns change THEN rows and values are those they should be', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(`${TABLES}; ALTER TABLE whole REPLICA IDENTITY FULL`);
  await using pipeline = startPipeline(pg, ch, {
    catalogPollMs: 200,
    tables: [
      { match: 'public.soft', onDelete: 'soft' },
      { match: 'public.keep', onDelete: 'keep' },
      { match: 'public.whole', columns: { secret: { exclude: true } } },
    ],
  });
  await pipeline.caughtUp();
  const all = async (ddl: string): Promise<void> => {
    for (const table of ['soft', 'keep', 'whole']) await pg.client.query(ddl.replaceAll('{t}', table));
    await pipeline.caughtUp();
  };
  const becomes = async (table: string, columns: string, wanted: string[]): Promise<void> => {
    const read = async (): Promise<string[]> => {
      await pipeline.caughtUp();
      return await rows(ch, columns, table).catch((error: unknown) => [String(error)]);
    };
    await expect.poll(read, { timeout: 30_000, interval: 200, message: `${table}: ${columns}` }).toEqual(wanted);
  };
  await all(`DELETE FROM {t} WHERE id = 1; UPDATE {t} SET a = 20 WHERE id = 2`);
  await all(`ALTER TABLE {t} ADD d int NOT NULL DEFAULT 7; ALTER TABLE {t} RENAME b TO c`); // prettier-ignore
  await all(`UPDATE {t} SET d = 8, c = 'c' WHERE id = 3`);
  await becomes('soft', '_deleted_at IS NULL AS live, id, a, c, d', ['0 1 1 b 7', '1 2 20 b 7', '1 3 3 c 8', '1 4 4 b 7']); // prettier-ignore
  await becomes('keep', 'id, a, c, d', ['1 1 b 7', '2 20 b 7', '3 3 c 8', '4 4 b 7']);
  await becomes('whole', 'id, a, c, d', ['2 20 b 7', '3 3 c 8', '4 4 b 7']);
  const before = await Promise.all(['soft', 'keep', 'whole'].map((table) => tableState(pg, ch, `public.${table}`)));
  expect(before.map(({ phase, generation }) => `${phase} ${generation}`)).toEqual(['live 1', 'live 1', 'live 1']);
  // Written anew: what the source has is read again, what it has not stays, with the values it had.
  await all(`ALTER TABLE {t} ADD e int DEFAULT (random() * 0)::int, ALTER a TYPE bigint USING a * 2`);
  await becomes('keep', 'id, a, c, d, e', ['1 1 b 7 null', '2 40 b 7 0', '3 6 c 8 0', '4 8 b 7 0']);
  await becomes('soft', '_deleted_at IS NULL AS live, id, a, c, d, e', ['0 1 1 b 7 null', '1 2 40 b 7 0', '1 3 6 c 8 0', '1 4 8 b 7 0']); // prettier-ignore
  await becomes('whole', 'id, a, c, d, e', ['2 40 b 7 0', '3 6 c 8 0', '4 8 b 7 0']);
  await all(`UPDATE {t} SET e = 9 WHERE id = 4; DELETE FROM {t} WHERE id = 3`);
  await becomes('keep', 'id, a, c, d, e', ['1 1 b 7 null', '2 40 b 7 0', '3 6 c 8 0', '4 8 b 7 9']);
  await becomes('soft', '_deleted_at IS NULL AS live, id, a, c, d, e', ['0 1 1 b 7 null', '0 3 6 c 8 0', '1 2 40 b 7 0', '1 4 8 b 7 9']); // prettier-ignore
  expect(await ch.client.rows(`SELECT name FROM system.columns WHERE database = {database:String} AND table LIKE 'whole%' AND name = 'secret'`, { params: { database: ch.database } })).toEqual([]); // prettier-ignore
});
