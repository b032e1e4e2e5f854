/** Traffic and migrations of the database that has grown. */
import { readSetup, type RealSchema, type Statements } from '../real-schema.ts';

const STATEMENTS: Statements = {
  addKunden: `INSERT INTO "Legacy Data"."Kunden Stamm" SELECT $1 + i, 'Hauptstraße ' || $2, $2, 'ab', $1::bigint * 1000003, i % 2 = 0, i % 3 - 1, 'raw', $2 / 7e0, '名前' || i, 'a"b', 'c\`d', E'e\\\\f\\ttab\\nline', (enum_range(NULL::"Legacy Data"."Anrede"))[1 + i % 4], i, -i
    FROM generate_series(1, 4) i ON CONFLICT DO NOTHING`,
  changeKunden: `UPDATE "Legacy Data"."Kunden Stamm" SET "_version" = "_version" + 1, "_deleted" = NOT "_deleted", "order" = NULL, "Größe (cm)" = '-0', "UPPER" = "upper" WHERE "Kd-Nr" % 7 = $1 % 7`,
  renumberKunden: `UPDATE "Legacy Data"."Kunden Stamm" SET "Kd-Nr" = -"Kd-Nr" WHERE "Kd-Nr" % 13 = $1 % 13`,
  dropKunden: `DELETE FROM "Legacy Data"."Kunden Stamm" WHERE "Kd-Nr" % 9 = $1 % 9`,
  addTables: `INSERT INTO "Legacy Data"."Table" VALUES ($1, 'upper $2') ON CONFLICT (id) DO UPDATE SET "Value" = 'again'; INSERT INTO "Legacy Data"."table" VALUES ($1, 'lower $2'), ($2, NULL) ON CONFLICT DO NOTHING`,
  changeTables: `UPDATE "Legacy Data"."Table" SET "Value" = NULL WHERE id % 3 = $1 % 3; DELETE FROM "Legacy Data"."table" WHERE id % 5 = $2 % 5`,
  emptyTables: `TRUNCATE "Legacy Data"."Table", "Legacy Data"."table"`,
  addOdd: `INSERT INTO "Legacy Data"."odd.name" VALUES ($1, 'x$2') ON CONFLICT ("a.b") DO UPDATE SET "c.d" = '' ; INSERT INTO "Legacy Data"."100%*?" ("*") SELECT ('1e-' || $2 % 40)::numeric WHERE (SELECT count(*) FROM "Legacy Data"."100%*?") < 500`,
  changeOdd: `UPDATE "Legacy Data"."odd.name" SET "a.b" = "a.b" + 100000 WHERE "a.b" % 5 = $1 % 5 AND "a.b" < 1000000; UPDATE "Legacy Data"."100%*?" SET "*" = "*" * -1 WHERE "%" % 3 = $2 % 3`,
  dropOdd: `DELETE FROM "Legacy Data"."odd.name" WHERE "a.b" % 7 = $1 % 7; DELETE FROM "Legacy Data"."100%*?" WHERE "%" % 11 = $2 % 11`,
  addDevices:
    `INSERT INTO "Legacy Data".device (flags, mask, one, code, span, at, tod, doc, obj, class, position, spot, shape, area, ring, mac, mac8, net, query, cash, home, homes, grid, shifted, options, long_name)
    SELECT $1::bit(5), substring($2::bit(20) FROM 1 FOR 1 + $1 % 20), chr(33 + $1 % 90)::"char", 'c$1', make_interval(months => $1 % 50 - 25, days => $2 % 60, secs => -$1 / 7e0), ((time '00:00' + $1 * interval '1 s')::text || '+05:30')::timetz, '24:00',
      xmlparse(CONTENT '<a b="$1">ü &amp; </a>'), 4000000000 + $1, 'pg_class', ('0/' || to_hex($1))::pg_lsn, point($1 / 3e0, -$2), polygon(box(point(0, 0), point($1, $2))), box(point(1, 1), point($1, $2)), circle(point(0, 0.1), $1),
      ('08:00:2b:01:02:' || lpad(to_hex($1 % 256), 2, '0'))::macaddr, '08:00:2b:01:02:03:04:05', '2001:db8::/32', 'fat & (rat | cat$1:*)'::tsquery, -$1 / 100.0::money::numeric,
      ROW('a "b", (c)', $1, '0044-03-15 BC')::"Legacy Data".address, ARRAY[ROW(NULL, 1, 'infinity')::"Legacy Data".address, NULL], ARRAY[[1, NULL], [$1, $2]], ('[5:7]={1,NULL,' || $2 || '}')::integer[], 'k=>"v $1", n=>NULL', 'name$1'
    WHERE (SELECT count(*) FROM "Legacy Data".device) < 400`.replace(
      '-$1 / 100.0::money::numeric',
      '(-$1 / 100.0)::numeric::money',
    ),
  changeDevices: `UPDATE "Legacy Data".device SET flags = ~flags, span = span * -2, doc = NULL, homes = '{}', grid = '{}', cash = NULL, one = '' WHERE id % 4 = $1 % 4 AND span BETWEEN '-100 years' AND '100 years'`,
  renumberDevice: `UPDATE "Legacy Data".device SET id = -id WHERE id % 9 = $1 % 9`,
  dropDevices: `DELETE FROM "Legacy Data".device WHERE id % 5 = $1 % 5`,
  addEpochs: `INSERT INTO "Legacy Data".epoch SELECT $1 + i, (ARRAY['0044-03-15 BC', 'infinity', '-infinity', '9999-12-31', '2026-06-01', '1899-12-31', '294276-01-01', NULL])[1 + i]::date,
      (ARRAY['4713-01-01 00:00:00 BC', 'infinity', '-infinity', '9999-12-31 23:59:59.999999', '2026-06-01 00:00:00.000001', '1899-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999', NULL])[1 + ($2 + i) % 8]::timestamp,
      (ARRAY['4713-01-02 00:00:00+00 BC', 'infinity', '-infinity', '2299-12-31 23:59:59.999999+00', '2300-01-01 00:00:00+00', '1900-01-01 00:00:00+00', '2026-03-29 02:30:00+01', NULL])[1 + ($1 + i) % 8]::timestamptz, 'told $2'
    FROM generate_series(0, 7) i ON CONFLICT DO NOTHING`,
  changeEpochs: `UPDATE "Legacy Data".epoch SET day = 'infinity', at = '-infinity' WHERE id % 5 = $1 % 5; UPDATE "Legacy Data".epoch SET exact = '2026-06-01 12:00:00+00' WHERE id % 7 = $2 % 7`,
  dropEpochs: `DELETE FROM "Legacy Data".epoch WHERE id % 6 = $1 % 6`,
  addAssets: `INSERT INTO "Legacy Data".asset VALUES ($1, 'thing', '2000-01-01') ON CONFLICT DO NOTHING; INSERT INTO "Legacy Data".asset_car VALUES ($1, 'car', NULL, 'K-$2') ON CONFLICT DO NOTHING; INSERT INTO "Legacy Data".asset_ship VALUES ($1, 'ship', '1912-04-10', $2 / 3.0) ON CONFLICT DO NOTHING`,
  renameAssets: `UPDATE "Legacy Data".asset SET name = 'renamed $1' WHERE id % 7 = $2 % 7`,
  dropAssets: `DELETE FROM "Legacy Data".asset WHERE id % 9 = $1 % 9`,
  log: `INSERT INTO "Legacy Data"."Protokoll" SELECT timestamp '2026-06-01' + $1 * interval '1 s', CASE WHEN i % 2 = 0 THEN 'same' END, $2 FROM generate_series(1, 3) i`,
  rotateLog: `TRUNCATE "Legacy Data"."Protokoll"; INSERT INTO "Legacy Data"."Protokoll" VALUES ('-infinity', '', 'NaN')`,
  addOverview: `INSERT INTO "öst"."Übersicht" SELECT 's' || $1 % 5, $2 % 3 FROM generate_series(1, 3)`,
  changeOverview: `UPDATE "öst"."Übersicht" SET wert = nullif(wert + 1, 3) WHERE "schlüssel" = 's' || $1 % 5`,
  dropOverview: `DELETE FROM "öst"."Übersicht" WHERE "schlüssel" = 's' || $1 % 5 AND wert IS NULL`,
  addLong: `INSERT INTO "öst"."a_table_with_a_name_that_is_as_long_as_postgresql_allows_it_to_" SELECT (ARRAY['a', 'bc', 'def'])[i], date '2026-01-01' + $1 % 900, i % 2 = 0, (ARRAY[0, -0.1, 'NaN', 'Infinity', 1e300])[1 + ($2 + i) % 5], decode(md5('$2'), 'hex'), 'text $1'
    FROM generate_series(1, 3) i ON CONFLICT DO NOTHING`,
  changeLong: `UPDATE "öst"."a_table_with_a_name_that_is_as_long_as_postgresql_allows_it_to_" SET "a_column_with_a_name_that_is_as_long_as_postgresql_allows_it_ab" = NULL, k3 = NOT k3 WHERE spread(k2::text) % 7 = $1 % 7`,
  dropLong: `DELETE FROM "öst"."a_table_with_a_name_that_is_as_long_as_postgresql_allows_it_to_" WHERE spread(k2::text) % 9 = $1 % 9`,
  addWide: `INSERT INTO "Legacy Data".wide (id, c1, c2, c3, c4, c5, c7, c197, c198, c199) SELECT $1 + i, 't', $2 / 100.0, '2026-06-01', true, 5, md5('$1')::uuid, 5, 1.5, md5('$2')::uuid FROM generate_series(1, 2) i ON CONFLICT DO NOTHING`,
  changeWide: `UPDATE "Legacy Data".wide SET c9 = 'nine $1', c10 = 10.10, c199 = NULL WHERE id % 5 = $2 % 5`,
  dropWide: `DELETE FROM "Legacy Data".wide WHERE id % 7 = $1 % 7`,
};

/** A database that has grown. */
export const LEGACY: RealSchema = {
  name: 'legacy',
  schemas: ['Legacy Data', 'öst'],
  // Names that the copy needs itself, and times before Christ.
  rules: `
  - match: Legacy Data.Kunden Stamm
    columns: { _version: { exclude: true }, _deleted: { exclude: true }, _sign: { exclude: true }, _raw: { exclude: true } }
  - match: Legacy Data.epoch
    columns: { day: { as: text }, at: { as: text }, exact: { as: text } }
  - match: Legacy Data.Protokoll
    columns: { Zeit: { as: text } }
`,
  excluded: { 'Legacy Data.Kunden Stamm': ['_version', '_deleted', '_sign', '_raw'] },
  setup: readSetup(import.meta.url),
  first: {
    addKunden: 20,
    addTables: 20,
    addOdd: 20,
    addDevices: 20,
    addEpochs: 10,
    addAssets: 20,
    log: 10,
    addOverview: 10,
    addLong: 20,
    addWide: 20,
  },
  statements: STATEMENTS,
  migrations: [
    {
      title: 'rename a column to a name with blanks',
      sql: `ALTER TABLE "Legacy Data".wide RENAME COLUMN c9 TO "column nine"`,
      statements: {
        changeWide: `UPDATE "Legacy Data".wide SET "column nine" = 'nine $1', c10 = 10.10, c199 = NULL WHERE id % 5 = $2 % 5`,
      },
    },
    {
      title: 'names change places',
      sql: `ALTER TABLE "Legacy Data"."Kunden Stamm" RENAME COLUMN "UPPER" TO tmp; ALTER TABLE "Legacy Data"."Kunden Stamm" RENAME COLUMN "upper" TO "UPPER"; ALTER TABLE "Legacy Data"."Kunden Stamm" RENAME COLUMN tmp TO "upper"`,
    },
    {
      title: 'tables change names',
      sql: `BEGIN; ALTER TABLE "Legacy Data"."Table" RENAME TO tmp; ALTER TABLE "Legacy Data"."table" RENAME TO "Table"; ALTER TABLE "Legacy Data".tmp RENAME TO "table"; ALTER TABLE "Legacy Data"."Table" RENAME COLUMN value TO "Value"; ALTER TABLE "Legacy Data"."table" RENAME COLUMN "Value" TO value; COMMIT`,
    },
    {
      title: 'smallserial becomes bigint',
      sql: `ALTER TABLE "Legacy Data".device ALTER COLUMN id TYPE bigint`,
      statements: {
        farDevices: `UPDATE "Legacy Data".device SET id = id + 9000000000 WHERE id BETWEEN 0 AND 8000000000 AND id % 5 = $1 % 5`,
      },
    },
    {
      title: 'drop many columns',
      sql: `ALTER TABLE "Legacy Data".wide DROP COLUMN c20, DROP COLUMN c21, DROP COLUMN c22`,
    },
    {
      title: 'add columns again',
      sql: `ALTER TABLE "Legacy Data".wide ADD COLUMN c20 text DEFAULT 'twenty', ADD COLUMN "c 21" interval DEFAULT '1 day'`,
    },
    {
      title: 'a composite type grows',
      sql: `ALTER TYPE "Legacy Data".address ADD ATTRIBUTE country text CASCADE`,
      statements: {
        addDevices: null,
        moveHomes: `UPDATE "Legacy Data".device SET home = ROW('new', $1, '2026-01-01', 'DE') WHERE id % 3 = $2 % 3`,
      },
    },
    {
      title: 'an inherited column',
      sql: `ALTER TABLE "Legacy Data".asset ADD COLUMN worth numeric(12, 2) DEFAULT 1.5`,
      statements: {
        addAssets: `INSERT INTO "Legacy Data".asset VALUES ($1, 'thing', '2000-01-01') ON CONFLICT DO NOTHING`,
        worth: `UPDATE "Legacy Data".asset SET worth = $1 / 100.0 WHERE id % 5 = $2 % 5`,
      },
    },
    {
      title: 'text computed from a time',
      sql: `ALTER TABLE "Legacy Data".device ALTER COLUMN tod TYPE text USING tod::text`,
      statements: {},
    },
    { title: 'an enum value renamed', sql: `ALTER TYPE "Legacy Data"."Anrede" RENAME VALUE 'Herr' TO 'Mr'` },
    {
      title: 'another key',
      sql: `ALTER TABLE "Legacy Data"."odd.name" DROP CONSTRAINT "odd.name_pkey"; ALTER TABLE "Legacy Data"."odd.name" ADD COLUMN "id no" serial PRIMARY KEY`,
      statements: { addOdd: `INSERT INTO "Legacy Data"."odd.name" VALUES ($1, 'x$2')` },
    },
    {
      title: 'a schema renamed',
      sql: `ALTER SCHEMA "öst" RENAME TO "west"`,
      statements: Object.fromEntries(
        ['addOverview', 'changeOverview', 'dropOverview', 'addLong', 'changeLong', 'dropLong'].map((name) => [
          name,
          (STATEMENTS[name] as string).replaceAll('"öst"', '"west"'),
        ]),
      ),
    },
  ],
};
