/** Stored generated columns, which PostgreSQL 18 publishes: copied like any other, whoever has the publication. */
import { describe, expect, test } from 'vitest';
import { connectPostgres, pgRows } from '../src/source/connection.ts';
import { verify } from '../src/verify/verify.ts';
import { temporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { millrace } from './support/command.ts';
import { foreignRole } from './support/foreign-role.ts';
import { startPipeline } from './support/pipeline.ts';
import { postgresMajor } from './support/postgres-version.ts';
import { copiedColumns, followShapes, inPublic, pairDifferences, expectEqualAfterDeath } from './support/shape-copy.ts';
import { tableState } from './support/tables.ts';
import { verifyOptions } from './support/verification.ts';
import { waitFor } from './support/wait.ts';

/** A plain table with large values, one whose old rows are told whole, one without a key, one whose key is generated, partitions. */
const TABLES = `
  CREATE TABLE orders (id int PRIMARY KEY, price numeric(10,2), qty int, total numeric(12,2) GENERATED ALWAYS AS (price * qty) STORED,
    body text, shout text GENERATED ALWAYS AS (upper(body)) STORED); ALTER TABLE orders ALTER body SET STORAGE EXTERNAL, ALTER shout SET STORAGE EXTERNAL;
  CREATE TABLE whole (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED); ALTER TABLE whole REPLICA IDENTITY FULL;
  CREATE TABLE tally (n int, twice int GENERATED ALWAYS AS (n * 2) STORED); ALTER TABLE tally REPLICA IDENTITY FULL;
  CREATE TABLE keyed (n int NOT NULL, code text GENERATED ALWAYS AS ('c' || lpad((n % 1000)::text, 5, '0')) STORED PRIMARY KEY, note text);
  CREATE TABLE part (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED) PARTITION BY RANGE (id);
  CREATE TABLE part_a PARTITION OF part FOR VALUES FROM (0) TO (100);
  CREATE TABLE part_b (twice int GENERATED ALWAYS AS (n * 2) STORED, n int, id int NOT NULL); ALTER TABLE part ATTACH PARTITION part_b FOR VALUES FROM (100) TO (1000);
  INSERT INTO orders (id, price, qty, body) SELECT i, i * 1.25, i % 7, CASE WHEN i % 3 > 0 THEN repeat(md5(i::text), 100) END FROM generate_series(1, 200) i;
  INSERT INTO whole SELECT i, i FROM generate_series(1, 50) i; INSERT INTO tally SELECT i % 5 FROM generate_series(1, 50) i;
  INSERT INTO keyed (n, note) SELECT i, 'k' FROM generate_series(1, 50) i; INSERT INTO part SELECT i, i FROM generate_series(1, 200) i`;
const ALL = ['orders', 'whole', 'tally', 'keyed', 'part'].map(inPublic);

/** May be repeated. */
const CHANGES = `
  BEGIN; UPDATE orders SET qty = qty + 1 WHERE id % 2 = 0; UPDATE orders SET body = body || 'x' WHERE id % 5 = 0; UPDATE orders SET price = NULL WHERE id % 11 = 0;
  INSERT INTO orders (id, price, qty, body) SELECT coalesce(max(id), 0) + 1, 3.5, 2, 'new' FROM orders; DELETE FROM orders WHERE id % 13 = 0; COMMIT;
  BEGIN; UPDATE whole SET n = n + 1 WHERE id % 2 = 0; UPDATE whole SET id = -id WHERE id % 5 = 0; DELETE FROM whole WHERE id = 7; COMMIT;
  BEGIN; UPDATE tally SET n = n + 1 WHERE n < 3; DELETE FROM tally WHERE ctid IN (SELECT ctid FROM tally WHERE n = 4 LIMIT 2); INSERT INTO tally VALUES (1), (1), (NULL); COMMIT;
  BEGIN; UPDATE keyed SET n = n + 100 WHERE n <= 20; UPDATE keyed SET note = note || 'u' WHERE n % 2 = 0; DELETE FROM keyed WHERE n > 900; COMMIT;
  BEGIN; UPDATE part SET n = n + 1 WHERE id % 3 = 0; UPDATE part SET id = id + 300 WHERE id < 10; DELETE FROM part WHERE id = 50; COMMIT`;

/** Whether the publication of that name brings stored generated columns, as PostgreSQL says. */
async function option(client: Parameters<typeof pgRows>[0]): Promise<string | null | undefined> {
  const [row] = await pgRows(client, "SELECT pubgencols FROM pg_publication WHERE pubname = 'millrace'");
  return row?.['pubgencols'];
}

describe.skipIf((await postgresMajor()) < 18)('stored generated columns', () => {
  test('GIVEN tables of all kinds WHEN they are loaded and changed THEN the columns are there, and verify compares them', async () => {
    await using copy = await followShapes(TABLES, ALL);
    const { pg, ch } = copy;
    expect(await option(pg.client)).toBe('s');
    for (const { target } of ALL)
      expect((await copiedColumns(ch, target)).some((name) => ['total', 'twice', 'code'].includes(name))).toBe(true);
    await copy.change(CHANGES);
    await copy.change(`${CHANGES}; TRUNCATE whole; INSERT INTO whole VALUES (1, 1)`);
    expect(await verify(verifyOptions(pg, ch))).toMatchObject({ verdict: 'equal', differing: 0 });
    // A value of such a column that is wrong in the copy is a difference, and repaired like any other.
    const { rows } = await pg.client.query<{ id: number }>('SELECT min(id) AS id FROM orders WHERE total > 0');
    await ch.client.command(`ALTER TABLE ${ch.database}.orders UPDATE total = 1 WHERE id = ${rows[0]?.id}`, {
      settings: { mutations_sync: 2 },
    });
    expect(await verify(verifyOptions(pg, ch))).toMatchObject({ verdict: 'different', differing: 1 });
    expect(await verify(verifyOptions(pg, ch, { repair: true }))).toMatchObject({ verdict: 'repaired', repaired: 1 });
    await copy.expectEqual('repaired');
  });

  test.each(['partly-landed:2', 'stored:2', 'chunk-landed:2'])(
    'GIVEN such tables WHEN the process dies at %s THEN the next one goes on exactly',
    async (death) => await expectEqualAfterDeath(death, { tables: TABLES, changes: CHANGES, pairs: ALL }),
    120_000,
  );

  test('GIVEN traffic WHEN such columns come, go, are made otherwise or become ordinary THEN the copy follows', async () => {
    await using copy = await followShapes(TABLES, ALL, { catalogPollMs: 100 });
    const { pg, ch } = copy;
    const columns = async (target: string, ...wanted: string[]): Promise<void> => {
      await waitFor(async () => (await copiedColumns(ch, target)).join() === wanted.join(), {
        what: `${target} to have ${wanted.join()}`,
      });
    };
    const generation = (await tableState(pg, ch, 'public.orders')).generation;
    // Its values of all rows are in the copy already: nothing is read again.
    await copy.change(`${CHANGES}; ALTER TABLE orders ALTER total DROP EXPRESSION; ${CHANGES}`);
    await copy.change(
      'UPDATE orders SET total = -1 WHERE id % 3 = 0; INSERT INTO orders VALUES (9001, 1, 1, 77, NULL)',
    );
    expect((await tableState(pg, ch, 'public.orders')).generation).toBe(generation);
    await pg.client.query(
      `${CHANGES}; ALTER TABLE whole ADD thrice int GENERATED ALWAYS AS (n * 3) STORED; ${CHANGES}`,
    );
    await columns('whole', 'id', 'n', 'twice', 'thrice');
    await copy.change(CHANGES);
    await copy.change(`ALTER TABLE whole DROP twice; ${CHANGES}`);
    await columns('whole', 'id', 'n', 'thrice');
    await pg.client.query(`ALTER TABLE whole ALTER thrice SET EXPRESSION AS (n * 30); ${CHANGES}`);
    await waitFor(async () => (await pairDifferences(pg, ch, inPublic('whole'))).length === 0, {
      what: 'the table to be built anew',
    });
    await copy.change(`ALTER TABLE whole RENAME thrice TO many; ${CHANGES}`);
    await columns('whole', 'id', 'n', 'many');
    expect(await verify(verifyOptions(pg, ch))).toMatchObject({ verdict: 'equal', differing: 0 });
  }, 120_000);

  test('GIVEN our publication, whose option somebody takes away under traffic THEN it is put right, and the rows are equal', async () => {
    await using copy = await followShapes(TABLES, ALL, { catalogPollMs: 100 });
    const { pg } = copy;
    const off = 'ALTER PUBLICATION millrace SET (publish_generated_columns = none)';
    // PostgreSQL refuses changes of the tables with whole old rows from here on.
    const changes = CHANGES.split('COMMIT;')[0] ?? '';
    await pg.client.query(`${off}; ${changes}; COMMIT`);
    await waitFor(async () => (await option(pg.client)) === 's', { what: 'the option to be set again' });
    await pg.client.query(CHANGES);
    await waitFor(async () => {
      await copy.pipeline.caughtUp();
      return (await pairDifferences(pg, copy.ch, inPublic('orders'))).length === 0;
    }, { what: 'the rows to be equal' }); // prettier-ignore
    await copy.change(CHANGES);
  }, 120_000);

  test('GIVEN a publication of another role without the option THEN the columns are left out, check says what its owner must do, and that helps', async () => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client.query(`${TABLES}; DROP TABLE keyed, whole, tally;
      CREATE PUBLICATION millrace FOR TABLE orders, part WITH (publish_via_partition_root = true)`);
    await using role = await foreignRole(pg);
    const pairs = ['orders', 'part'].map(inPublic);
    const changes = CHANGES.split('BEGIN;').filter((text) => /orders|part/.test(text)).join('BEGIN;'); // prettier-ignore
    const expectEqual = async (): Promise<void> => {
      for (const pair of pairs) expect(await pairDifferences(pg, ch, pair)).toEqual([]);
    };
    await using pipeline = startPipeline(pg, ch, { postgresUrl: role.url, catalogPollMs: 100 });
    await pipeline.caughtUp();
    await pg.client.query(`BEGIN; ${changes}`);
    await pipeline.caughtUp();
    await expectEqual();
    expect(await copiedColumns(ch, 'orders')).toEqual(['id', 'price', 'qty', 'body']);
    const sql = 'ALTER PUBLICATION "millrace" SET (publish_generated_columns = stored);';
    const check = await millrace(['check', '--json'], { ...pg, url: role.url }, ch);
    const { postgres } = JSON.parse(check.stdout) as { postgres: { code: string; object: string; remedy: string }[] };
    const told = postgres.filter(({ code }) => code === 'generated_columns');
    expect(told.map(({ object, remedy }) => [object, remedy])).toEqual(
      ['public.orders.total', 'public.orders.shout', 'public.part.twice'].map((object) => [
        object,
        expect.stringContaining(sql),
      ]),
    );
    await pg.client.query(`${sql} BEGIN; ${changes}`);
    const has = async (wanted: boolean): Promise<void> => {
      await waitFor(async () => (await copiedColumns(ch, 'orders')).includes('total') === wanted, {
        what: `the column ${wanted ? 'to come' : 'to go'}`,
      });
    };
    await has(true);
    await pg.client.query(`BEGIN; ${changes}`);
    await pipeline.caughtUp();
    await expectEqual();
    await pg.client.query(`${sql.replace('stored', 'none')} BEGIN; ${changes}`);
    await has(false);
    await pipeline.caughtUp();
    await expectEqual();
    await pipeline.stop();
  }, 120_000);

  test('GIVEN a copy without the columns, of a publication that becomes ours THEN the option is set, and the tables that have such columns are built anew', async () => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client
      .query(`CREATE TABLE plain (id int PRIMARY KEY); INSERT INTO plain VALUES (1); ${TABLES}; DROP TABLE tally; CREATE TABLE audit (n int, twice int GENERATED ALWAYS AS (n * 2) STORED); INSERT INTO audit VALUES (1); ALTER TABLE whole REPLICA IDENTITY DEFAULT;
      CREATE PUBLICATION millrace FOR ALL TABLES WITH (publish_via_partition_root = true)`);
    await using role = await foreignRole(pg);
    const pairs = ALL.filter(({ name }) => name !== 'tally' && name !== 'keyed');
    await pg.client.query('DROP TABLE keyed');
    const first = startPipeline(pg, ch, { postgresUrl: role.url });
    await first.caughtUp();
    await first.stop();
    const before = {
      plain: await tableState(pg, ch, 'public.plain'),
      orders: await tableState(pg, ch, 'public.orders'),
    };
    expect(await copiedColumns(ch, 'orders')).not.toContain('total');
    // What comes in the stream from before the option is set has not got the columns.
    const changes = CHANGES.split('BEGIN;').filter((text) => /orders|part/.test(text)).join('BEGIN;'); // prettier-ignore
    await pg.client.query(`BEGIN; ${changes}; INSERT INTO plain VALUES (2)`);
    const plan = await millrace(['plan'], pg, ch);
    expect(plan.stdout).toContain('SET (publish_generated_columns = stored)');
    // So has what a transaction wrote that is open meanwhile; of a table without a key no row can be read again.
    const other = await connectPostgres(pg.url);
    await other.query('BEGIN; INSERT INTO audit VALUES (5), (5)');
    await using second = startPipeline(pg, ch);
    await waitFor(async () => (await option(pg.client)) === 's', { what: 'the option to be set' });
    await other.query('COMMIT');
    await other.end();
    await second.caughtUp();
    expect(await tableState(pg, ch, 'public.audit')).toMatchObject({ phase: 'live' });
    expect(await pairDifferences(pg, ch, inPublic('audit'))).toEqual([]);
    expect(await copiedColumns(ch, 'audit')).toEqual(['n', 'twice']);
    for (const pair of pairs) expect(await pairDifferences(pg, ch, pair)).toEqual([]);
    expect(await copiedColumns(ch, 'orders')).toContain('total');
    expect((await tableState(pg, ch, 'public.plain')).generation).toBe(before.plain.generation);
    expect((await tableState(pg, ch, 'public.orders')).generation).toBeGreaterThan(before.orders.generation);
    expect(await pairDifferences(pg, ch, inPublic('plain'))).toEqual([]);
    await second.stop();
  }, 120_000);

  test('GIVEN a column made from one that is masked THEN it is left out, unless a rule says what becomes of it', async () => {
    const made = `CREATE TABLE person (id int PRIMARY KEY, mail text, lower_mail text GENERATED ALWAYS AS (lower(mail)) STORED, host text GENERATED ALWAYS AS (split_part(mail, '@', 2)) STORED, n int, twice int GENERATED ALWAYS AS (n * 2) STORED);
      INSERT INTO person (id, mail, n) VALUES (1, 'Ann@x.org', 1)`;
    await using copy = await followShapes(made, [], {
      tables: [{ match: 'public.person', columns: { mail: { mask: 'null' }, host: { mask: 'none' }, n: { exclude: true } } }],
    }); // prettier-ignore
    const { pg, ch } = copy;
    expect(await copiedColumns(ch, 'person')).toEqual(['id', 'mail', 'host']);
    await pg.client.query("INSERT INTO person (id, mail, n) VALUES (2, 'Bob@y.org', 2); UPDATE person SET mail = 'Cid@z.org' WHERE id = 1");
    await copy.pipeline.caughtUp();
    expect(await ch.client.rows(`SELECT * FROM ${ch.database}.person_current ORDER BY id`)).toEqual([
      { id: 1, mail: null, host: 'z.org' },
      { id: 2, mail: null, host: 'y.org' },
    ]);
    const [list] = await pgRows(pg.client, "SELECT attnames::text AS names FROM pg_publication_tables WHERE tablename = 'person'");
    expect(list?.['names']).toBe('{id,mail,host}');
  }); // prettier-ignore

  test('GIVEN a virtual column under REPLICA IDENTITY FULL THEN the table is not published, as PostgreSQL would refuse its updates', async () => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client
      .query(`CREATE TABLE v (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2)); ALTER TABLE v REPLICA IDENTITY FULL;
      CREATE TABLE other (id int PRIMARY KEY); INSERT INTO v VALUES (1, 1)`);
    await using pipeline = startPipeline(pg, ch);
    await pipeline.caughtUp();
    const { phase, reason } = await tableState(pg, ch, 'public.v');
    expect([phase, reason]).toEqual(['quarantined', expect.stringContaining('REPLICA IDENTITY DEFAULT')]);
    await pg.client.query('UPDATE v SET n = 2');
    await pipeline.stop();
  });
});
