/** What identifies a row: keys of many types, composite, of indexes, changed and swapped; with crashes in between. */
import { expect, test } from 'vitest';
import { changeUntilDead } from './support/crash.ts';
import { temporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { PipelineProcess } from './support/process.ts';
import { copiedColumns, followShapes, inPublic, pairDifferences } from './support/shape-copy.ts';

/** Key type, and two expressions of it over `i`, which runs from 1 to 40. */
const KEY_TYPES: Readonly<Record<string, readonly [type: string, value: string, other: string]>> = {
  k_small: ['smallint', 'i', '-i'],
  k_big: ['bigint', '9223372036854775807 - i', '-9223372036854775807 + i'],
  k_uuid: ['uuid', "md5(i::text)::uuid", "md5('x' || i)::uuid"],
  k_text: ['text', "'it''s \\ ' || i || E'\\n\\u00e9\\u6f22'", "'' || i"],
  k_char: ['char(9)', "'c' || i", "'d ' || i"],
  k_numeric: ['numeric(20,5)', 'i + 0.12345', '-i * 1.5'],
  k_timestamp: ['timestamp', "'2001-02-03 04:05:06.789012'::timestamp + make_interval(secs => i)", "'1969-12-31 23:59:59.999999'::timestamp - make_interval(days => i)"],
  k_timestamptz: ['timestamptz', "'2001-02-03 04:05:06.789012Z'::timestamptz + make_interval(secs => i)", "'1950-01-01Z'::timestamptz - make_interval(mins => i)"],
  k_date: ['date', "'2024-02-28'::date + i::int", "'1969-12-31'::date - i::int"],
}; // prettier-ignore

test('GIVEN keys of many types WHEN rows are inserted, updated, moved to other keys, deleted and inserted again THEN source and copy are equal', async () => {
  const tables = Object.entries(KEY_TYPES);
  const all = (sql: (table: string, type: string, value: string, other: string) => string): string =>
    tables.map(([table, [type, value, other]]) => sql(table, type, value, other)).join('; ');
  await using copy = await followShapes(
    all((table, type, value) => `CREATE TABLE ${table} (n bigint NOT NULL, k ${type} PRIMARY KEY, big text NOT NULL);
      ALTER TABLE ${table} ALTER big SET STORAGE EXTERNAL;
      INSERT INTO ${table} SELECT i, ${value}, repeat(i::text, 3000) FROM generate_series(1, 40) i`), // prettier-ignore
    tables.map(([table]) => inPublic(table)),
  );
  await copy.change(all((table) => `UPDATE ${table} SET n = n + 1000 WHERE n % 2 = 0`));
  await copy.change(
    all((table, _, _value, other) => `UPDATE ${table} t SET k = ${other}, n = i FROM generate_series(1, 40) i WHERE t.n % 1000 = i AND i % 3 = 0`),
  ); // prettier-ignore
  await copy.change(
    all((table, _, value) => `DELETE FROM ${table} WHERE n % 5 = 0; INSERT INTO ${table} SELECT i, ${value}, 'again' FROM generate_series(5, 40, 5) i ON CONFLICT DO NOTHING`),
  ); // prettier-ignore
});

test('GIVEN composite keys WHEN keys are changed and swapped inside transactions THEN source and copy are equal', async () => {
  await using copy = await followShapes(
    `CREATE TABLE place (note text, b text, a int, day date, PRIMARY KEY (day, b, a));
     INSERT INTO place SELECT 'n' || i, CASE WHEN i % 2 = 0 THEN '' ELSE E'x\\t,' || i END, i, '2020-01-01'::date + i FROM generate_series(1, 30) i;
     CREATE TABLE seat (id int PRIMARY KEY, who text NOT NULL, spot int NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED);
     INSERT INTO seat SELECT i, 'w' || i, i FROM generate_series(1, 20) i`,
    [inPublic('place'), inPublic('seat')],
  );
  await copy.change(
    `UPDATE place SET a = -a WHERE a % 3 = 0; UPDATE place SET b = b || 'y', day = day + 1000 WHERE a % 4 = 0`,
  );
  await copy.change(`BEGIN; UPDATE seat SET spot = 21 - spot; UPDATE seat SET id = 21 - id WHERE id = 0 OR id > 100;
    UPDATE seat SET id = 1000 WHERE id = 1; UPDATE seat SET id = 1 WHERE id = 2; UPDATE seat SET id = 2 WHERE id = 1000; COMMIT`); // prettier-ignore
  await copy.change(
    `BEGIN; UPDATE seat SET id = id + 1000; UPDATE seat SET id = 1021 - (id - 1000) - 0 - 1000, who = who || '!'; COMMIT`,
  );
  await copy.change(`BEGIN; DELETE FROM seat WHERE id = 3; INSERT INTO seat VALUES (3, 'new', 99); UPDATE seat SET id = 300 WHERE id = 3;
    INSERT INTO seat VALUES (3, 'newer', 98); DELETE FROM seat WHERE id = 300; COMMIT`); // prettier-ignore
  await copy.change('UPDATE seat SET id = -id');
});

test('GIVEN replica identities of all kinds WHEN rows change THEN each table is identified by what the stream tells', async () => {
  await using copy = await followShapes(
    `CREATE TABLE by_index (id int PRIMARY KEY, u int NOT NULL, v text NOT NULL, body text, CONSTRAINT by_index_uv UNIQUE (v, u));
     ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_uv;
     CREATE TABLE only_index (body text, u uuid NOT NULL UNIQUE); ALTER TABLE only_index REPLICA IDENTITY USING INDEX only_index_u_key;
     CREATE TABLE by_primary (id int PRIMARY KEY, body text); ALTER TABLE by_primary REPLICA IDENTITY USING INDEX by_primary_pkey;
     CREATE TABLE whole (id int PRIMARY KEY, body text); ALTER TABLE whole REPLICA IDENTITY FULL;
     CREATE TABLE mute (id int PRIMARY KEY, body text); ALTER TABLE mute REPLICA IDENTITY NOTHING;
     INSERT INTO by_index SELECT i, i * 10, 'v' || i % 3, repeat(md5(i::text), 200) FROM generate_series(1, 30) i;
     INSERT INTO only_index SELECT repeat(md5(i::text), 200), md5(i::text)::uuid FROM generate_series(1, 30) i;
     INSERT INTO by_primary SELECT i, 'b' FROM generate_series(1, 30) i; INSERT INTO whole SELECT * FROM by_primary; INSERT INTO mute SELECT * FROM by_primary`,
    ['by_index', 'only_index', 'by_primary', 'whole', 'mute'].map(inPublic),
  );
  await copy.change(`UPDATE by_index SET id = -id WHERE id % 2 = 0; UPDATE only_index SET body = 'x' WHERE u::text < '8'; UPDATE by_primary SET id = -id WHERE id % 2 = 0;
    UPDATE whole SET id = -id WHERE id % 2 = 0; INSERT INTO mute SELECT i, 'n' FROM generate_series(31, 40) i`); // prettier-ignore
  await copy.change(`UPDATE by_index SET u = -u WHERE u % 3 = 0; UPDATE by_index SET v = 'w' WHERE u % 4 = 0; DELETE FROM by_index WHERE u % 5 = 0;
    UPDATE only_index SET u = md5(u::text)::uuid WHERE u::text > '8'; DELETE FROM only_index WHERE u::text < '4'; DELETE FROM whole WHERE id < 0; DELETE FROM by_primary WHERE id > 20`); // prettier-ignore
  await expect(copy.pg.client.query('DELETE FROM mute')).rejects.toThrow(/replica identity/);
  const [sorted] = await copy.ch.client.rows<{ key: string }>(
    `SELECT sorting_key AS key FROM system.tables WHERE database = {database:String} AND name = 'by_index'`,
    { params: { database: copy.ch.database } },
  );
  expect(sorted).toEqual({ key: 'v, u' });
  expect(await copiedColumns(copy.ch, 'by_index')).toEqual(['id', 'u', 'v', 'body']);
});

/** Where the process dies, at its n-th passing. */
const DEATHS = ['partly-landed:2', 'landed:2', 'stored:2'];

/** Every row gets another's key, by way of keys that nobody has; may be repeated. */
const SWAPS = `BEGIN; UPDATE seat SET id = -id; UPDATE seat SET id = id + 61; UPDATE pair SET b = b || 'x' WHERE n % 3 = 1;
  UPDATE pair SET b = 'tmp' WHERE n = 1; UPDATE pair p SET a = q.a, b = q.b || '?' FROM pair q WHERE p.n = 2 AND q.n = 5; DELETE FROM pair WHERE n = 10;
  INSERT INTO pair VALUES (md5('z')::uuid, 'again', 10); UPDATE pair SET b = 'more' || now() WHERE n = 10; COMMIT;
  UPDATE seat SET who = left(who, 9) || repeat('-', 300) WHERE id % 2 = 0`;

test('GIVEN keys that change and swap WHEN the process dies in between THEN source and copy are equal', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(`CREATE TABLE pair (a uuid, b text, n int, PRIMARY KEY (a, b)); CREATE TABLE seat (id numeric(12,3) PRIMARY KEY, who text);
    INSERT INTO pair SELECT md5((i % 7)::text)::uuid, 'b' || i, i FROM generate_series(1, 60) i; INSERT INTO seat SELECT i, 'w' || i FROM generate_series(1, 60) i`); // prettier-ignore
  await using pipeline = new PipelineProcess(pg, ch, { MILLRACE_BATCH_MAX_BYTES: '65536' });
  await pipeline.caughtUp({ plain: true });
  for (const death of DEATHS) {
    await pipeline.end('SIGTERM');
    pipeline.start(death);
    await changeUntilDead(pg, pipeline, SWAPS);
    expect(pipeline.isRunning, death).toBe(false);
    await pipeline.caughtUp({ plain: true });
    for (const name of ['pair', 'seat']) expect(await pairDifferences(pg, ch, inPublic(name)), death).toEqual([]);
  }
});
