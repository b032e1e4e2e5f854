/** Traffic and migrations of the exchange. */
import { readSetup, type RealSchema, type Statements } from '../real-schema.ts';

const STATEMENTS: Statements = {
  addAccounts: `INSERT INTO exchange.account (id, name, kind, floors, contact, active)
    SELECT md5('account' || ($1 + i) % 40)::uuid, 'Account ' || $1 || ' ünïcödé', (ARRAY['ssp', 'dsp', 'x'])[1 + i % 3],
      CASE WHEN i % 3 = 0 THEN NULL ELSE ARRAY[i / 7.0, NULL, $2 / 1000.0]::exchange.cpm[] END,
      jsonb_build_object('mail', 'a' || i || '@example.com', 'since', $2, 'tags', jsonb_build_array('a', NULL, 1.50)), i % 4 <> 0
    FROM generate_series(1, 3) i ON CONFLICT DO NOTHING`,
  changeAccounts: `UPDATE exchange.account SET contact = contact || jsonb_build_object('seen', $1), active = NOT active, created_at = created_at + interval '1 microsecond'
    WHERE spread(id::text) % 7 = $2 % 7`,
  moveAccount: `UPDATE exchange.account SET id = md5('moved' || $1)::uuid WHERE id = (SELECT id FROM exchange.account ORDER BY md5(id::text || $2) LIMIT 1)`,
  dropAccounts: `DELETE FROM exchange.account WHERE spread(id::text) % 23 = $1 % 23`,
  addDeals: `INSERT INTO exchange.deal (account_id, code, floor, priority, flight, auction)
    SELECT id, left('D' || $1 || '-' || id, 30), $2 / 999.0, nullif($1 % 9, 0), daterange(date '2026-01-01' + $1 % 90, CASE WHEN $2 % 3 > 0 THEN date '2026-06-01' + $2 % 90 END),
      (enum_range(NULL::exchange.auction))[1 + $1 % 2] FROM exchange.account ORDER BY md5(id::text || $1) LIMIT 2 ON CONFLICT DO NOTHING`,
  changeDeals: `UPDATE exchange.deal SET floor = floor + 0.000001, flight = CASE WHEN $1 % 5 = 0 THEN 'empty' ELSE flight END, auction = 'second_price' WHERE id % 5 = $2 % 5`,
  dropDeals: `DELETE FROM exchange.deal WHERE id % 11 = $1 % 11`,
  addPlacements: `INSERT INTO exchange.placement (account_id, slot, width, height, devices, countries, floor)
    SELECT md5('account' || $1 % 40)::uuid, i + $2 % 50, 300 + i, 250, CASE WHEN i % 2 = 0 THEN enum_range(NULL::exchange.device) END,
      ARRAY['DE', 'with "quotes"', NULL, 'a,b', ''], ('1e' || $1 % 30 - 15)::numeric FROM generate_series(1, 4) i ON CONFLICT DO NOTHING`,
  resizePlacements: `UPDATE exchange.placement SET width = width + 1, countries = countries || ('C' || $1), floor = floor / 3 WHERE slot % 7 = $2 % 7`,
  shiftPlacements: `UPDATE exchange.placement SET slot = slot + 1000 WHERE slot % 13 = $1 % 13 AND slot < 1000`,
  dropPlacements: `DELETE FROM exchange.placement WHERE slot % 9 = $1 % 9`,
  addProfiles: `INSERT INTO exchange.profile SELECT $1 * 92233720368::bigint + i, ARRAY(SELECT g * $2 FROM generate_series(0, $1 % 40) g),
      CASE WHEN i % 2 = 0 THEN ARRAY[i / 3.0, 'NaN', '-Infinity', NULL]::real[] END, '{"n": 1.0, "a": {"b": [1, 2, {"c": "\\u00e9"}]}}', timestamptz '2026-06-01 00:00:00.123456+00' + $2 * interval '1 s'
    FROM generate_series(1, 5) i ON CONFLICT (user_id) DO UPDATE SET segments = exchange.profile.segments || 1, seen = NULL`,
  changeProfiles: `UPDATE exchange.profile SET segments = array_append(segments[2:], $1), weights = '{}' WHERE user_id % 6 = $2 % 6`,
  dropProfiles: `DELETE FROM exchange.profile WHERE user_id % 10 = $1 % 10`,
  addCreative: `INSERT INTO exchange.creative SELECT md5('creative' || $1 % 500)::uuid, 'Creative $1', (SELECT string_agg(md5($1 || '/' || i), '') FROM generate_series(1, 3200) i),
      decode(md5('$2'), 'hex'), date '2026-01-01' + $1 % 300, '{"w": 300,  "h": 250.0}' ON CONFLICT DO NOTHING`,
  retitle: `UPDATE exchange.creative SET title = 'Creative $1 ' || title, reviewed = NULL WHERE spread(id::text) % 4 = $2 % 4 AND length(title) < 200`,
  rewrite: `UPDATE exchange.creative SET markup = CASE WHEN $1 % 3 = 0 THEN NULL WHEN $1 % 3 = 1 THEN 'short' ELSE repeat(md5('$2'), 3000) END, checksum = '' WHERE spread(id::text) % 9 = $2 % 9`,
  moveCreative: `UPDATE exchange.creative SET id = md5('creative again' || $1)::uuid WHERE spread(id::text) % 17 = $2 % 17`,
  dropCreatives: `DELETE FROM exchange.creative WHERE spread(id::text) % 9 = $1 % 9`,
  addRequests: `INSERT INTO exchange.bid_request SELECT md5('request' || $1 || '/' || i)::uuid, date '2026-06-01' + (i + $2) % 8, timestamptz '2026-06-01 00:00:00+00' + $2 * i * interval '1.000001 s',
      CASE WHEN i % 6 < 5 THEN (enum_range(NULL::exchange.device))[1 + i % 5] END, inet '10.0.0.0' + $1 + i, network(set_masklen(inet '10.1.0.0' + $2, 8 + i % 24)),
      jsonb_build_object('id', $1, 'imp', jsonb_build_array(jsonb_build_object('bidfloor', i / 10.0, 'banner', NULL)), 'user', jsonb_build_object('geo', 'Köln ☂')),
      ARRAY(SELECT generate_series(1, i % 5)), CASE WHEN i % 4 > 0 THEN $1 / (i + 1.0) END, CASE WHEN i % 3 > 0 THEN i % 2 = 0 END
    FROM generate_series(1, 1 + $1 % 25) i ON CONFLICT DO NOTHING`,
  winRequests: `UPDATE exchange.bid_request SET won = true, request = request || '{"won": true}', segments = NULL WHERE spread(id::text) % 13 = $1 % 13`,
  moveRequests: `UPDATE exchange.bid_request SET day = date '2026-06-01' + $1 % 8 WHERE spread(id::text) % 19 = $2 % 19`,
  dropRequests: `DELETE FROM exchange.bid_request WHERE spread(id::text) % 29 = $1 % 29`,
  addBids: `INSERT INTO exchange.bid SELECT id, day, $1 % 20, 0.000000001 * $2 + i, $1 / 7e0, CASE WHEN $2 % 2 = 0 THEN ARRAY['floor', 'blocked: "x"'] END, md5('creative' || $2 % 500)::uuid
    FROM (SELECT id, day, row_number() OVER (ORDER BY id, day) AS i FROM exchange.bid_request WHERE spread(id::text) % 7 = $2 % 7) r ON CONFLICT DO NOTHING`,
  repriceBids: `UPDATE exchange.bid SET price = price * 1.0000001, latency_ms = CASE $1 % 4 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' ELSE latency_ms / 3 END WHERE spread(request_id::text) % 11 = $2 % 11`,
  moveBids: `UPDATE exchange.bid SET day = date '2026-06-01' + $1 % 8, bidder = bidder + 100 WHERE bidder < 100 AND spread(request_id::text) % 31 = $2 % 31`,
  dropBids: `DELETE FROM exchange.bid WHERE spread(request_id::text) % 17 = $1 % 17`,
  addEvents: `INSERT INTO exchange.event SELECT (ARRAY['impression', 'click', 'tap', 'view'])[1 + i % 4], timestamp '2026-06-01' + $1 * i * interval '1 ms', md5('request' || $1)::uuid, $2 / 7.0,
      CASE WHEN i % 2 = 0 THEN '{"x" : 1,"x":2}'::json END FROM generate_series(1, 1 + $2 % 30) i`,
  emptyEvents: 'TRUNCATE exchange.event_click',
  addBalances: `INSERT INTO billing.account SELECT md5('account' || ($1 + i) % 40)::uuid, ('1.' || repeat('0', $2 % 30) || '7')::numeric, -$1 / 3.0, (ARRAY['EUR', 'US', 'X'])[1 + i % 3]
    FROM generate_series(1, 3) i ON CONFLICT (id) DO UPDATE SET balance = billing.account.balance + 0.10`,
  changeBalances: `UPDATE billing.account SET balance = CASE WHEN $1 % 6 = 0 THEN 'NaN' ELSE balance * 1.01 END, credit = nullif($2 % 4, 0) WHERE spread(id::text) % 5 = $1 % 5 AND scale(balance) < 200`,
  addEntries: `INSERT INTO billing.entry (account_id, amount, rate, booked) SELECT md5('account' || $1 % 40)::uuid, ($1 - 50000) * i / 7.0, $2 / 3e0, timestamp '2026-06-01' + $2 * interval '1 min' FROM generate_series(1, 1 + $1 % 20) i`,
  correctEntries: `UPDATE billing.entry SET amount = -amount, booked = NULL WHERE id % 17 = $1 % 17`,
  dropEntries: `DELETE FROM billing.entry WHERE id % 19 = $1 % 19`,
  renumberEntries: `UPDATE billing.entry SET id = -id WHERE id % 23 = $1 % 23`,
  addLog: `INSERT INTO audit.log SELECT timestamptz '2026-06-01 00:00:00+00' + $1 * interval '1 s', 'user' || $2 % 3, CASE WHEN i % 3 > 0 THEN 'change ' || i END, '{"a":1, "b": [ ]}', '{"b": 1, "a": 2}', ('::ffff:10.0.0.' || $1 % 250)::inet
    FROM generate_series(1, 1 + $1 % 8) i`,
  addChanges: `INSERT INTO audit.change SELECT 'object ' || $1 % 9, CASE WHEN i % 2 = 0 THEN 'same' END, $2 % 3, timestamp '2026-06-01' FROM generate_series(1, 1 + $1 % 6) i`,
  noteChanges: `UPDATE audit.change SET note = 'noted $1', weight = weight / 3 WHERE object = 'object ' || $2 % 9`,
  forgetChange: `DELETE FROM audit.change WHERE ctid = (SELECT ctid FROM audit.change ORDER BY md5(object || coalesce(note, '') || $1) LIMIT 1)`,
  emptyChanges: `TRUNCATE audit.change; INSERT INTO audit.change VALUES ('anew', NULL, '-0', '-infinity')`,
};

/** The exchange: events by day, JSON, arrays, an audit trail. */
export const EXCHANGE: RealSchema = {
  name: 'exchange',
  schemas: ['exchange', 'billing', 'audit'],
  // Times without end.
  rules: `
  - match: audit.change
    columns: { at: { as: text } }
`,
  setup: readSetup(import.meta.url),
  first: {
    addAccounts: 14,
    addDeals: 10,
    addPlacements: 20,
    addProfiles: 20,
    addCreative: 6,
    addRequests: 60,
    addBids: 12,
    addEvents: 20,
    addBalances: 12,
    addEntries: 25,
    addLog: 20,
    addChanges: 20,
  },
  statements: STATEMENTS,
  migrations: [
    {
      title: 'add columns with and without default',
      sql: `ALTER TABLE exchange.account ADD COLUMN region text, ADD COLUMN score integer NOT NULL DEFAULT 7, ADD COLUMN since timestamptz DEFAULT '2026-01-01 00:00:00+00'`,
      statements: {
        scoreAccounts: `UPDATE exchange.account SET score = $1, region = 'r$2', since = NULL WHERE spread(id::text) % 5 = $2 % 5`,
      },
    },
    {
      title: 'the partition of the next day',
      sql: `CREATE TABLE exchange.bid_request_8 PARTITION OF exchange.bid_request FOR VALUES FROM ('2026-06-09') TO ('2026-06-10')`,
    },
    {
      title: 'a new value of an enum',
      sql: `ALTER TYPE exchange.auction ADD VALUE 'header_bidding'`,
      statements: { headerDeals: `UPDATE exchange.deal SET auction = 'header_bidding' WHERE id % 3 = $1 % 3` },
    },
    {
      title: 'rename a column',
      sql: 'ALTER TABLE billing.entry RENAME COLUMN booked TO booked_at',
      statements: {
        addEntries: (STATEMENTS['addEntries'] as string).replace('booked)', 'booked_at)'),
        correctEntries: `UPDATE billing.entry SET amount = -amount, booked_at = NULL WHERE id % 17 = $1 % 17`,
      },
    },
    {
      title: 'wider integers',
      sql: 'ALTER TABLE exchange.placement ALTER COLUMN slot TYPE bigint',
      statements: {
        farPlacements: `UPDATE exchange.placement SET slot = slot + 5000000000 WHERE slot % 17 = $1 % 17 AND slot < 5000000000`,
      },
    },
    {
      title: 'drop a column',
      sql: 'ALTER TABLE exchange.profile DROP COLUMN visits',
      statements: {
        addProfiles: `INSERT INTO exchange.profile SELECT $1 * 92233720368::bigint + i, ARRAY[$2, NULL, i], '{}', timestamptz '2026-06-01 00:00:00+00'
          FROM generate_series(1, 5) i ON CONFLICT (user_id) DO UPDATE SET seen = NULL`,
      },
    },
    {
      title: 'a new table',
      sql: `CREATE TABLE billing.invoice (number text PRIMARY KEY, lines jsonb[], total numeric(14, 2) NOT NULL)`,
      statements: {
        addInvoices: `INSERT INTO billing.invoice SELECT 'R' || $1 || '-' || i, ARRAY['{"a": 1}'::jsonb, NULL], $2 / 100.0 FROM generate_series(1, 3) i ON CONFLICT DO NOTHING`,
      },
    },
    { title: 'a partition is detached', sql: 'ALTER TABLE exchange.bid DETACH PARTITION exchange.bid_2' },
    {
      title: 'a filled table becomes a partition',
      sql: `CREATE TABLE exchange.bid_later (LIKE exchange.bid INCLUDING ALL);
        INSERT INTO exchange.bid_later SELECT md5(i::text)::uuid, '2026-06-20', i, i / 3.0 FROM generate_series(1, 5) i;
        ALTER TABLE exchange.bid ATTACH PARTITION exchange.bid_later FOR VALUES FROM ('2026-06-20') TO ('2026-06-21')`,
    },
    {
      title: 'another type, computed',
      sql: 'ALTER TABLE audit.log ALTER COLUMN client TYPE text USING host(client)',
      statements: { addLog: (STATEMENTS['addLog'] as string).replace('::inet', '') },
    },
    {
      title: 'SET NOT NULL',
      sql: 'UPDATE exchange.deal SET priority = 5 WHERE priority IS NULL; ALTER TABLE exchange.deal ALTER COLUMN priority SET NOT NULL',
      statements: { addDeals: (STATEMENTS['addDeals'] as string).replace('nullif($1 % 9, 0)', '$1 % 9') },
    },
    { title: 'wider numeric', sql: 'ALTER TABLE billing.account ALTER COLUMN credit TYPE numeric(34, 10)' },
    {
      title: 'rename a table',
      sql: 'ALTER TABLE exchange.profile RENAME TO audience',
      statements: Object.fromEntries(
        ['changeProfiles', 'dropProfiles']
          .map((name) => [name, (STATEMENTS[name] as string).replaceAll('exchange.profile', 'exchange.audience')])
          .concat([
            [
              'addProfiles',
              `INSERT INTO exchange.audience SELECT $1 * 92233720368::bigint + i, ARRAY[$2] FROM generate_series(1, 5) i ON CONFLICT DO NOTHING`,
            ],
          ]),
      ),
    },
    { title: 'drop a partition', sql: 'DROP TABLE exchange.bid_request_3' },
  ],
};
