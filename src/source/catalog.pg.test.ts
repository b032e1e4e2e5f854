import { describe, expect, test } from 'vitest';
import { temporaryPostgres } from '../../test/support/databases.ts';
import { postgresMajor } from '../../test/support/postgres-version.ts';
import { tableRules } from '../config/table-rules.ts';
import { readCatalog, readTables } from './catalog.ts';

describe('the catalogue', () => {
  test('GIVEN a table with a composite key, a dropped and a generated column THEN its shape is told', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query(`
      CREATE TABLE item (gone int, price numeric(10,2) NOT NULL, a int, note varchar(255), twice int GENERATED ALWAYS AS (a * 2) STORED, b bigint, PRIMARY KEY (b, a));
      ALTER TABLE item DROP COLUMN gone; ALTER TABLE item REPLICA IDENTITY FULL`);
    const [table] = await readTables(pg.client);
    expect(table).toMatchObject({ schema: 'public', name: 'item', target: 'item', replicaIdentity: 'f' });
    expect(table!.key.map((i) => table!.columns[i]?.name)).toEqual(['b', 'a']);
    const generation = { isStored: true, expression: '(a * 2)', madeFrom: ['a'] };
    const twice = { name: 'twice', attnum: 5, typeOid: 23, typeMod: -1, typeName: 'integer', nullable: true, generation }; // prettier-ignore
    const isPublished = (await postgresMajor()) >= 18;
    expect(table!.generated).toEqual(isPublished ? undefined : [twice]);
    expect(table!.columns).toEqual([
      { name: 'price', attnum: 2, typeOid: 1700, typeMod: 655366, typeName: 'numeric(10,2)', nullable: false },
      { name: 'a', attnum: 3, typeOid: 23, typeMod: -1, typeName: 'integer', nullable: false },
      { name: 'note', attnum: 4, typeOid: 1043, typeMod: 259, typeName: 'character varying(255)', nullable: true },
      ...(isPublished ? [twice] : []),
      { name: 'b', attnum: 6, typeOid: 20, typeMod: -1, typeName: 'bigint', nullable: false },
    ]);
  });

  test('GIVEN patterns THEN tables are included and excluded by them; views and partitions are not tables', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query(`
      CREATE SCHEMA shop; CREATE TABLE shop.order_1 (id int PRIMARY KEY); CREATE TABLE shop.order_22 (id int PRIMARY KEY);
      CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE flyway_schema_history (id int PRIMARY KEY); CREATE VIEW v AS SELECT 1 AS id`);
    const names = async (include: string[], exclude: string[] = []) =>
      (await readTables(pg.client, { include, exclude })).map((table) => table.target);
    expect((await readTables(pg.client)).map((table) => table.name)).toEqual(['a']);
    expect(await names(['*.*'])).toEqual(['a', 'flyway_schema_history', 'shop_order_1', 'shop_order_22']);
    expect(await names(['shop.order_?', 'public.a'])).toEqual(['a', 'shop_order_1']);
    expect(await names(['shop.*'], ['*.*_1'])).toEqual(['shop_order_22']);
    expect(await names(['nothing.*'])).toEqual([]);
    await expect(names(['public.v'])).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('is a view') as string,
    });
    await expect(names(['a'])).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('GIVEN tables that cannot be copied THEN each is named with its reason', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query(`
      CREATE TABLE fine (id int PRIMARY KEY); CREATE TABLE keyless (id int); CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY);
      CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF parted FOR VALUES FROM (1) TO (9);
      CREATE SCHEMA s; CREATE TABLE s.x (id int PRIMARY KEY); CREATE TABLE s_x (id int PRIMARY KEY)`);
    const { tables, unsuitable } = await readCatalog(pg.client, { include: ['*.*'], exclude: [] });
    expect(tables.map((table) => table.target)).toEqual(['fine', 'keyless', 'parted', 's_x']);
    expect(tables[1]).toMatchObject({ key: [] });
    expect(tables[2]).toMatchObject({ key: [0], leaves: [{ name: 'part', isBorn: true }] });
    expect(unsuitable.map((table) => [table.name, table.reason.split(' ').slice(0, 3).join(' ')])).toEqual([
      ['unlogged', 'is unlogged: its'],
      ['x', 'would be copied'],
    ]);
    await expect(readTables(pg.client)).rejects.toMatchObject({
      code: 'TABLE_UNSUITABLE',
      details: { tables: ['public.unlogged'] },
    });
  });

  test('GIVEN a column of a name that the copy keeps for itself THEN the table is named, until a rule leaves it out', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query('CREATE TABLE odd (id int PRIMARY KEY, _version int)');
    const patterns = { include: ['public.*'], exclude: [] };
    const { unsuitable } = await readCatalog(pg.client, patterns);
    expect(unsuitable).toMatchObject([
      { name: 'odd', reason: expect.stringMatching(/“_version”, a name that the copy keeps/) },
    ]);
    const rules = [{ match: 'public.odd', columns: { _version: { exclude: true } } }];
    const { tables } = await readCatalog(pg.client, { ...patterns, ...tableRules({ tables: rules, maskSalt: null }) });
    expect(tables).toMatchObject([{ name: 'odd', columns: [{ name: 'id' }] }]);
  });

  test('GIVEN partitions that cannot be followed THEN their table is named with the reason, and the remedy cures it', async () => {
    await using pg = await temporaryPostgres();
    const parted = (name: string): string =>
      `CREATE TABLE ${name} (id int NOT NULL, day int NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)`;
    await pg.client.query(`${['afar', 'loose', 'other', 'deep'].map(parted).join('; ')};
      CREATE EXTENSION IF NOT EXISTS postgres_fdw; CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw;
      CREATE TABLE afar_open (id int, day int) PARTITION BY RANGE (day); CREATE FOREIGN TABLE afar_1 PARTITION OF afar_open FOR VALUES FROM (1) TO (9) SERVER s;
      CREATE UNLOGGED TABLE loose_1 PARTITION OF loose FOR VALUES FROM (1) TO (9);
      CREATE TABLE other_1 PARTITION OF other FOR VALUES FROM (1) TO (9); CREATE UNIQUE INDEX other_u ON other_1 (day); ALTER TABLE other_1 REPLICA IDENTITY USING INDEX other_u;
      CREATE TABLE deep_1 PARTITION OF deep FOR VALUES FROM (1) TO (9) PARTITION BY LIST (id);
      CREATE TABLE deep_2 (id int NOT NULL, day int NOT NULL); ALTER TABLE deep_1 ATTACH PARTITION deep_2 DEFAULT`); // prettier-ignore
    const { tables, unsuitable } = await readCatalog(pg.client);
    expect(tables.map(({ name, leaves }) => [name, leaves?.map((leaf) => [leaf.name, leaf.isBorn])])).toEqual([
      ['afar', []],
      ['deep', [['deep_2', false]]],
    ]);
    expect(unsuitable.map(({ name, reason }) => `${name} ${reason}`)).toEqual([
      expect.stringMatching(/^afar_open has /),
      expect.stringMatching(/^loose has an unlogged partition, public.loose_1/),
      expect.stringMatching(/^other has a partition, public.other_1, .*\(day\) alone/),
    ]);
    for (const { remedy } of unsuitable) if (remedy !== null && !remedy.includes('…')) await pg.client.query(remedy);
    expect((await readCatalog(pg.client)).unsuitable.map(({ name }) => name)).toEqual(['afar_open']);
  });

  test('GIVEN names that the copy cannot have THEN the second table of a name is told, and columns named as ours', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query(`CREATE SCHEMA s; CREATE SCHEMA "s.t"; CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE t_current (id int PRIMARY KEY);
      CREATE TABLE s."t.u" (id int PRIMARY KEY); CREATE TABLE "s.t".u (id int PRIMARY KEY); CREATE TABLE ours (_version int PRIMARY KEY); CREATE TABLE nothing ();
      CREATE TABLE "${'漢'.repeat(21)}" (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id * 2) STORED); CREATE TABLE "T" (id int PRIMARY KEY, "ID" int)`); // prettier-ignore
    const { tables, unsuitable } = await readCatalog(pg.client, { include: ['*.*'], exclude: [] });
    expect(tables.map(({ target }) => target).toSorted()).toEqual(['T', 's_t.u', 't', '漢'.repeat(21)].toSorted());
    const { columns = [], generated = [] } = tables.find(({ name }) => name.startsWith('漢')) ?? {};
    expect([...columns, ...generated].map(({ name }) => name)).toEqual(['id', 'g']);
    expect(unsuitable.map((table) => `${table.name} ${table.reason}`)).toEqual([
      'nothing has no columns that can be copied',
      'ours has a column “_version”, a name that the copy keeps for itself',
      't_current would share a name in the copy with the view or the copy of public.t',
      'u is called as another table is, dots in names aside',
    ]);
  });
});
