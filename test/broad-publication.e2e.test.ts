/** Publications that somebody has made for all tables, or for those of a schema, before the first start. */
import { expect, test } from 'vitest';
import { postgresMajor } from './support/postgres-version.ts';
import { followShapes, inPublic } from './support/shape-copy.ts';

const TABLES = `CREATE TABLE a (id int PRIMARY KEY, n int); CREATE TABLE log (what text);
  CREATE TABLE p (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
  INSERT INTO a SELECT i, i FROM generate_series(1, 50) i; INSERT INTO p SELECT i, '2026-01-05' FROM generate_series(1, 20) i`;
const KINDS = (await postgresMajor()) < 15 ? ['ALL TABLES'] : ['ALL TABLES', 'TABLES IN SCHEMA public'];

test.each(KINDS)('GIVEN a publication FOR %s WHEN the pipeline starts THEN it is followed as it is', async (kind) => {
  const made = `${TABLES}; CREATE PUBLICATION broad FOR ${kind}`;
  await using copy = await followShapes(made, ['a', 'log', 'p'].map(inPublic), { publication: 'broad' });
  await copy.change(
    "UPDATE a SET n = -n; INSERT INTO log VALUES ('x'); DELETE FROM p WHERE id < 5; UPDATE p SET id = id + 100 WHERE id > 15",
  );
  const { rows } = await copy.pg.client.query('SELECT pubname, puballtables AS all FROM pg_publication');
  expect(rows).toEqual([{ pubname: 'broad', all: kind === 'ALL TABLES' ? 't' : 'f' }]);
});
