import { expect, test } from 'vitest';
import { foreignRole } from '../../test/support/foreign-role.ts';
import { temporaryPostgres } from '../../test/support/databases.ts';
import { postgresMajor } from '../../test/support/postgres-version.ts';
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
      await pg.client.query(found?.remedy.replace(/^[^:]*: /, '') ?? '');
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
