import { expect, test } from 'vitest';
import { foreignRole } from '../../test/support/foreign-role.ts';
import { temporaryPostgres } from '../../test/support/databases.ts';
import { postgresMajor } from '../../test/support/postgres-version.ts';
import { tableRules } from '../config/table-rules.ts';
import { readCatalog } from './catalog.ts';
import { connectPostgres } from './connection.ts';
import { readPublishedGenerated } from './generated-columns.ts';
import { checkGenerated } from './preflight-generated.ts';
import { ensurePublication, lacksGenerated } from './publication.ts';

const TABLES = `CREATE TABLE a (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id * 2) STORED);
  CREATE TABLE b (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id * 3) STORED)`;
const ALL = { include: ['public.*'], exclude: [] };
const before18 = (await postgresMajor()) < 18;

test.skipIf(before18)(
  'GIVEN publications of another role THEN a list says what is published, else the option',
  async () => {
    await using pg = await temporaryPostgres();
    await pg.client
      .query(`${TABLES}; CREATE PUBLICATION lists FOR TABLE a (id, g), b (id) WITH (publish_generated_columns = none);
    CREATE PUBLICATION on_all FOR ALL TABLES WITH (publish_generated_columns = stored); CREATE PUBLICATION off FOR TABLE a, b`);
    await using role = await foreignRole(pg);
    const client = await connectPostgres(role.url);
    try {
      const left = async (publication: string): Promise<string[]> => {
        const { tables } = await readCatalog(client, { ...ALL, publication });
        return tables.flatMap(({ name, generated = [] }) => generated.map((column) => `${name}.${column.name}`));
      };
      expect(await left('lists')).toEqual(['b.g']);
      expect(await left('on_all')).toEqual([]);
      expect(await left('off')).toEqual(['a.g', 'b.g']);
      expect(await left('none yet')).toEqual([]);
      const catalog = await readCatalog(client, { ...ALL, publication: 'lists' });
      const [found, ...others] = await checkGenerated({
        client,
        catalog,
        publication: 'lists',
        versionNumber: 180_000,
      });
      expect(others).toEqual([]);
      // As their owner: what it says helps.
      await pg.client.query(found?.remedy.split('\n')[0]?.replace(/^[^:]*: /, '') ?? '');
      expect(await left('lists')).toEqual([]);
    } finally {
      await client.end();
    }
  },
);

test.skipIf(before18)('GIVEN our publication without the option THEN that is noticed, and put right with the lists', async () => {
  await using pg = await temporaryPostgres();
  await pg.client.query(`${TABLES}; CREATE PUBLICATION ours FOR TABLE ONLY a, ONLY b WITH (publish_via_partition_root = true)`);
  const { tables } = await readCatalog(pg.client, { ...ALL, publication: 'ours' });
  expect(tables.map(({ columns }) => columns.length)).toEqual([2, 2]);
  expect(await lacksGenerated(pg.client, 'ours', tables)).toBe(true);
  await ensurePublication(pg.client, 'ours', tables);
  expect(await lacksGenerated(pg.client, 'ours', tables)).toBe(false);
  await pg.client.query('ALTER PUBLICATION ours SET TABLE ONLY a (id), ONLY b');
  expect(await lacksGenerated(pg.client, 'ours', tables)).toBe(true);
  await ensurePublication(pg.client, 'ours', tables);
  expect(await lacksGenerated(pg.client, 'ours', tables)).toBe(false);
}); // prettier-ignore

test.skipIf(!before18)('GIVEN PostgreSQL before 18 THEN none is published', async () => {
  await using pg = await temporaryPostgres();
  await pg.client.query(TABLES);
  expect((await readPublishedGenerated(pg.client, undefined)).isPossible).toBe(false);
  const { tables } = await readCatalog(pg.client, ALL);
  expect(tables.map(({ generated = [] }) => generated.map(({ name }) => name))).toEqual([['g'], ['g']]);
});

/** Ordinary, generated and published where the server can, and generated and never published. */
const SORTS = `CREATE TABLE t (id int PRIMARY KEY, n int, s int GENERATED ALWAYS AS (n * 2) STORED, v int GENERATED ALWAYS AS (n * 3) ${before18 ? 'STORED' : 'VIRTUAL'})`;

test.each([
  ['v', {}, null],
  ['v', { as: 'text' }, null],
  ['n', {}, /“n”, which is not generated: it is copied/],
  ['s', {}, before18 ? null : /“s”, which is a generated column that the publication brings/],
  ['v', { mask: 'null' as const }, /“v”, which is computed, not stored/],
  ['v', { exclude: true }, /“v”, which is computed, not stored/],
  ['w', {}, /has no column “w”/],
])('GIVEN a rule that computes %s with %o THEN the table can be copied, or the reason is told', async (column, others, why) => {
  await using pg = await temporaryPostgres();
  await pg.client.query(SORTS);
  // As two rules, of which each is well-formed.
  const tables = [
    { match: 'public.*', columns: { [column]: others } },
    { match: 'public.t', columns: { [column]: { computed: 'n * 3' } } },
  ];
  const { tables: found, unsuitable } = await readCatalog(pg.client, { ...ALL, ...tableRules({ tables, maskSalt: null }) });
  expect(unsuitable.map(({ reason }) => reason)).toEqual(why === null ? [] : [expect.stringMatching(why)]);
  if (why !== null) return;
  expect(found[0]?.computed).toMatchObject([{ name: column, computed: 'n * 3', typeName: 'integer' }]);
  expect(found[0]?.generated?.some(({ name }) => name === column)).toBe(false);
}); // prettier-ignore

test('GIVEN a generated column that is excluded THEN it is not told as missing; one that is made from others names them', async () => {
  await using pg = await temporaryPostgres();
  await pg.client.query(`${SORTS}; ALTER TABLE t ADD m int GENERATED ALWAYS AS (n + id) ${before18 ? 'STORED' : 'VIRTUAL'}`);
  const tables = [{ match: 'public.t', columns: { v: { exclude: true } } }];
  const { tables: found } = await readCatalog(pg.client, { ...ALL, ...tableRules({ tables, maskSalt: null }) });
  expect(found[0]?.generated?.map(({ name }) => name)).toEqual(before18 ? ['s', 'm'] : ['m']);
  expect(found[0]?.generated?.at(-1)?.generation).toMatchObject({ madeFrom: ['id', 'n'], expression: '(n + id)' });
}); // prettier-ignore
