-- A database that has grown for decades: names that need quotes, names that SQL or the copy itself uses, types that
-- nobody takes today, inheritance, a table of 200 columns, times before Christ.
CREATE SCHEMA "Legacy Data";
CREATE SCHEMA "öst";
CREATE EXTENSION IF NOT EXISTS hstore;

-- A number from a text: chooses rows the same way in every run.
CREATE FUNCTION public.spread(text) RETURNS integer IMMUTABLE LANGUAGE sql AS $$ SELECT ('x' || left(md5($1), 6))::bit(24)::integer $$;

CREATE TYPE "Legacy Data"."Anrede" AS ENUM ('Herr', 'Frau', 'Firma & Co', 'it''s');
CREATE TYPE "Legacy Data".address AS (street text, "house no" integer, since date);

CREATE TABLE "Legacy Data"."Kunden Stamm" (
  "Kd-Nr" integer PRIMARY KEY,
  "Straße" text,
  "order" integer,
  "select" character(5),
  "_version" bigint NOT NULL DEFAULT 5,
  "_deleted" boolean,
  "_sign" smallint,
  "_raw" text,
  "Größe (cm)" real,
  "名前" varchar(20),
  "quote""d" text,
  "back`tick" text,
  "back\slash" text,
  "Anrede" "Legacy Data"."Anrede",
  "UPPER" integer,
  "upper" integer
);

-- Two tables whose names differ in case alone, and names with a dot and a wildcard.
CREATE TABLE "Legacy Data"."Table" (id integer PRIMARY KEY, "Value" text);
CREATE TABLE "Legacy Data"."table" (id integer PRIMARY KEY, "value" text);
CREATE TABLE "Legacy Data"."odd.name" ("a.b" integer PRIMARY KEY, "c.d" text);
CREATE TABLE "Legacy Data"."100%*?" ("%" smallserial PRIMARY KEY, "*" numeric);

CREATE TABLE "Legacy Data".device (
  id smallserial PRIMARY KEY,
  flags bit(5),
  mask bit varying(20),
  one "char",
  code character(8),
  span interval,
  at timetz,
  tod time,
  doc xml,
  obj oid,
  class regclass,
  position pg_lsn,
  spot point,
  shape polygon,
  area box,
  ring circle,
  mac macaddr,
  mac8 macaddr8,
  net cidr,
  query tsquery,
  cash money,
  home "Legacy Data".address,
  homes "Legacy Data".address[],
  grid integer[][],
  shifted integer[],
  options hstore,
  long_name name
);

-- Times that no other engine holds.
CREATE TABLE "Legacy Data".epoch (
  id integer PRIMARY KEY,
  day date,
  at timestamp,
  exact timestamptz,
  told text
);

CREATE TABLE "Legacy Data".asset (id integer PRIMARY KEY, name text, bought date);
CREATE TABLE "Legacy Data".asset_car (plates text NOT NULL, PRIMARY KEY (id)) INHERITS ("Legacy Data".asset);
CREATE TABLE "Legacy Data".asset_ship (tons numeric, PRIMARY KEY (id)) INHERITS ("Legacy Data".asset);

-- Without a key.
CREATE TABLE "Legacy Data"."Protokoll" ("Zeit" timestamp, "Text" text, "Wert" double precision);
CREATE TABLE "öst"."Übersicht" ("schlüssel" text, "wert" integer);
ALTER TABLE "öst"."Übersicht" REPLICA IDENTITY FULL;

-- A name of the longest kind, 63 bytes, and a key of five columns.
CREATE TABLE "öst"."a_table_with_a_name_that_is_as_long_as_postgresql_allows_it_to_" (
  k1 character(3) NOT NULL, k2 date NOT NULL, k3 boolean NOT NULL, k4 double precision NOT NULL, k5 bytea NOT NULL,
  "a_column_with_a_name_that_is_as_long_as_postgresql_allows_it_ab" text,
  PRIMARY KEY (k1, k2, k3, k4, k5)
);

DO $$
BEGIN
  EXECUTE (SELECT format('CREATE TABLE "Legacy Data".wide (id integer PRIMARY KEY, %s)', string_agg(
    format('c%s %s', i, (ARRAY['integer', 'text', 'numeric(9,2)', 'timestamp', 'boolean', 'smallint', 'double precision', 'uuid'])[1 + i % 8]), ', ' ORDER BY i))
    FROM generate_series(1, 199) i);
END $$;
