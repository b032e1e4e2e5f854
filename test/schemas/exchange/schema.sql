-- An ad exchange: bid requests and bids in partitions by day, payloads in JSON, segments in arrays, an audit trail
-- without a key, and tables of the same name in two schemas.
CREATE SCHEMA exchange;
CREATE SCHEMA billing;
CREATE SCHEMA audit;

-- A number from a text: chooses rows the same way in every run.
CREATE FUNCTION public.spread(text) RETURNS integer IMMUTABLE LANGUAGE sql AS $$ SELECT ('x' || left(md5($1), 6))::bit(24)::integer $$;

CREATE TYPE exchange.device AS ENUM ('phone', 'tablet', 'desktop', 'connected tv', 'приставка');
CREATE TYPE exchange.auction AS ENUM ('first_price', 'second_price');
CREATE DOMAIN exchange.cpm AS numeric(12, 6) CHECK (VALUE >= 0);

CREATE TABLE exchange.account (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  kind character(3) NOT NULL DEFAULT 'ssp',
  floors exchange.cpm[],
  contact jsonb,
  active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT '2026-05-01 12:00:00+02'
);

CREATE TABLE exchange.deal (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES exchange.account ON DELETE CASCADE ON UPDATE CASCADE,
  code varchar(32) NOT NULL UNIQUE,
  floor exchange.cpm,
  priority smallint DEFAULT 5,
  flight daterange,
  auction exchange.auction NOT NULL DEFAULT 'first_price'
);

CREATE TABLE exchange.placement (
  account_id uuid NOT NULL,
  slot integer NOT NULL,
  width smallint NOT NULL,
  height smallint NOT NULL,
  devices exchange.device[],
  countries text[] NOT NULL DEFAULT '{}',
  floor numeric,
  area integer GENERATED ALWAYS AS (width::integer * height) STORED,
  PRIMARY KEY (account_id, slot)
);

CREATE TABLE exchange.profile (
  user_id bigint PRIMARY KEY,
  segments integer[] NOT NULL,
  weights real[],
  visits jsonb,
  seen timestamptz
);

-- Markup of about 100 kB: an update that does not touch it leaves it out of the WAL.
CREATE TABLE exchange.creative (
  id uuid PRIMARY KEY,
  title text NOT NULL,
  markup text,
  checksum bytea,
  reviewed date,
  attributes json
);
ALTER TABLE exchange.creative ALTER COLUMN markup SET STORAGE EXTERNAL;

CREATE TABLE exchange.bid_request (
  id uuid NOT NULL,
  day date NOT NULL,
  at timestamptz NOT NULL,
  device exchange.device,
  ip inet,
  network cidr,
  request jsonb NOT NULL,
  segments integer[],
  floor numeric,
  won boolean,
  PRIMARY KEY (id, day)
) PARTITION BY RANGE (day);

CREATE TABLE exchange.bid (
  request_id uuid NOT NULL,
  day date NOT NULL,
  bidder smallint NOT NULL,
  price numeric NOT NULL,
  latency_ms double precision,
  reasons text[],
  creative_id uuid,
  PRIMARY KEY (request_id, day, bidder)
) PARTITION BY RANGE (day);

DO $$
BEGIN
  FOR i IN 0..5 LOOP
    EXECUTE format('CREATE TABLE exchange.bid_request_%s PARTITION OF exchange.bid_request FOR VALUES FROM (%L) TO (%L)',
      i, date '2026-06-01' + i, date '2026-06-02' + i);
    -- The first day lies in two parts of its own.
    EXECUTE format('CREATE TABLE exchange.bid_%s PARTITION OF exchange.bid FOR VALUES FROM (%L) TO (%L) %s',
      i, date '2026-06-01' + i, date '2026-06-02' + i, CASE WHEN i = 0 THEN 'PARTITION BY HASH (request_id)' ELSE '' END);
  END LOOP;
END $$;
CREATE TABLE exchange.bid_0_even PARTITION OF exchange.bid_0 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE exchange.bid_0_odd PARTITION OF exchange.bid_0 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE exchange.bid_request_rest PARTITION OF exchange.bid_request DEFAULT;
CREATE TABLE exchange.bid_rest PARTITION OF exchange.bid DEFAULT;

-- Only ever added to: it needs no key.
CREATE TABLE exchange.event (
  kind text NOT NULL,
  at timestamp NOT NULL,
  request_id uuid,
  cost numeric(18, 9),
  payload json
) PARTITION BY LIST (kind);
CREATE TABLE exchange.event_impression PARTITION OF exchange.event FOR VALUES IN ('impression');
CREATE TABLE exchange.event_click PARTITION OF exchange.event FOR VALUES IN ('click', 'tap');
CREATE TABLE exchange.event_other PARTITION OF exchange.event DEFAULT;

CREATE TABLE billing.account (
  id uuid PRIMARY KEY,
  balance numeric NOT NULL DEFAULT 0,
  credit numeric(30, 10),
  currency character(3) NOT NULL DEFAULT 'EUR'
);

CREATE TABLE billing.entry (
  id bigserial PRIMARY KEY,
  account_id uuid NOT NULL,
  amount numeric(38, 18) NOT NULL,
  rate double precision,
  tax numeric GENERATED ALWAYS AS (amount * 0.19) STORED,
  booked timestamp
);

-- Without a key, only added to.
CREATE TABLE audit.log (
  at timestamptz NOT NULL,
  who name,
  what text,
  before json,
  after jsonb,
  client inet
);

-- Without a key, changed: whole rows identify themselves, and some are equal.
CREATE TABLE audit.change (
  object text,
  note text,
  weight real,
  at timestamp
);
ALTER TABLE audit.change REPLICA IDENTITY FULL;
