/** Traffic and migrations of the shop. */
import { readSetup, type RealSchema, type Statements } from '../real-schema.ts';

const STATEMENTS: Statements = {
  addCustomers: `INSERT INTO customer (email, name, attributes, referred_by, balance, home)
    SELECT 'C$1.' || i || '@Example.COM', CASE WHEN i % 3 > 0 THEN 'Zoë $1' END, hstore(ARRAY['lang', 'de', 'quote', '"', 'none', NULL]) || hstore('n', '$2'),
      (SELECT min(id) FROM customer), ($2 - 50000)::numeric / 100, CASE WHEN i % 2 = 0 THEN ROW('Main "St", 5', '0$1', point($2, 0.1))::place END
    FROM generate_series(1, 2) i ON CONFLICT DO NOTHING`,
  changeCustomers: `UPDATE customer SET balance = balance * -1.5, attributes = attributes - 'n'::text, email = upper(email::text) WHERE id % 7 = $1 % 7`,
  forgetCustomers:
    `UPDATE customer SET deleted_at = timestamptz '2026-02-29 00:00:00+00'::timestamptz + $1 * interval '1 h', name = NULL, home = NULL WHERE id % 13 = $2 % 13`.replace(
      '2026-02-29',
      '2028-02-29',
    ),
  refer: `UPDATE customer SET referred_by = (SELECT max(id) FROM customer) WHERE id % 9 = $1 % 9`,
  dropCustomers: `DELETE FROM customer c WHERE id % 11 = $1 % 11 AND NOT EXISTS (SELECT FROM "order" o WHERE o.customer_id = c.id)`,
  addCategories: `INSERT INTO category SELECT ('root.' || 'a' || $1 % 30 || '.b' || i)::ltree, 'Category $2', nullif(i, 2) FROM generate_series(1, 3) i ON CONFLICT (path) DO UPDATE SET title = 'again $2'`,
  moveCategories: `UPDATE category SET path = ('moved' || $1)::ltree || path WHERE nlevel(path) < 5 AND spread(path::text) % 7 = $2 % 7`,
  dropCategories: `DELETE FROM category WHERE spread(path::text) % 5 = $1 % 5`,
  addProducts: `INSERT INTO product (sku, title, price, stock, tags, size, attributes, photo, search)
    SELECT 'SKU-' || ($1 + i) % 400, 'Thing $1 ☂ ''quoted''', $2 / 10000.0, $1 % 100, ARRAY['New', 'a,b', NULL]::citext[], ARRAY[1.5, 20.25, $2 % 9999]::numeric(6, 2)[],
      'a=>1, "b c"=>NULL', CASE WHEN i % 2 = 0 THEN decode(repeat(md5('$1'), 1 + $2 % 300), 'hex') END, to_tsvector('simple', 'fat cats $1 ate rats')
    FROM generate_series(1, 5) i ON CONFLICT DO NOTHING`,
  sell: `UPDATE product SET stock = stock - 1, price = price + 0.0001, tags = tags || 'sold'::citext WHERE spread(sku) % 9 = $1 % 9 AND cardinality(tags) < 30`,
  renameSku: `UPDATE product SET sku = 'SKU-' || $1 || 'x' WHERE sku = (SELECT sku FROM product ORDER BY md5(sku || $2) LIMIT 1)`,
  retireProducts: `UPDATE product SET deleted_at = '2026-06-01 10:11:12.1', photo = NULL WHERE spread(sku) % 15 = $1 % 15`,
  purgeProducts: `DELETE FROM product WHERE deleted_at IS NOT NULL AND spread(sku) % 3 = $1 % 3`,
  placeOrder: `INSERT INTO order_item SELECT md5('order$1')::uuid, i, 'SKU-' || ($2 + i) % 400, i + $2 % 9, $1 / 10000.0, CASE WHEN i % 2 = 0 THEN i / 30e0 END FROM generate_series(1, 1 + $2 % 6) i ON CONFLICT DO NOTHING;
    INSERT INTO "order" SELECT md5('order$1')::uuid, min(id), 'placed', timestamp '2026-06-01' + $2 * interval '1 s', NULL, 'note $2' FROM customer HAVING count(*) > 0 ON CONFLICT DO NOTHING`,
  payOrders: `UPDATE "order" o SET state = 'paid', version = version + 1, total = (SELECT sum(price * quantity) FROM order_item i WHERE i.order_id = o.id) WHERE spread(id::text) % 7 = $1 % 7 AND version < 30000`,
  moveOrder: `UPDATE "order" SET id = md5('order again $1')::uuid WHERE id = (SELECT id FROM "order" ORDER BY md5(id::text || $2) LIMIT 1)`,
  swapLines: `UPDATE order_item SET line = -line WHERE spread(order_id::text) % 5 = $1 % 5`,
  discountItems: `UPDATE order_item SET discount = discount / 3, price = price * 2 WHERE line % 4 = $1 % 4 AND price < 1000000 AND spread(order_id::text) % 3 = $2 % 3`,
  cancelOrders: `DELETE FROM "order" WHERE spread(id::text) % 11 = $1 % 11`,
  addPayments:
    `INSERT INTO payment (order_id, amount, fee, card, paid_on, took, answer) SELECT id, ($1 - 50000)::numeric / 100, $2 / 777.0, '$1', date '2026-06-01' - $2 % 9000, ($1 || ' seconds -1 month 3 days')::interval, '{"ok":true,"code" : $2}'
    FROM "order" ORDER BY md5(id::text || $1) LIMIT 3`.replace(`'$1', date`, `left('$1', 4), date`),
  refund: `UPDATE payment SET amount = amount * -1, fee = NULL, card = 'x' WHERE id % 9 = $1 % 9`,
  dropPayments: `DELETE FROM payment WHERE id % 14 = $1 % 14`,
  book: `INSERT INTO booking (room, during, party, price) SELECT $1 % 5, tstzrange(timestamptz '2026-06-01 00:00:00+00' + $2 * interval '1 h', timestamptz '2026-06-01 00:00:00+00' + ($2 + 3) * interval '1 h', (ARRAY['[)', '(]', '[]'])[1 + $1 % 3]), int4range(1, 2 + $1 % 5), numrange(NULL, $2 / 10.0) ON CONFLICT DO NOTHING`,
  rebook: `UPDATE booking SET during = tstzrange(lower(during), upper(during) + interval '30 min'), party = 'empty' WHERE id % 8 = $1 % 8`,
  unbook: `DELETE FROM booking WHERE id % 9 = $1 % 9`,
  moveStock: `INSERT INTO stock_move SELECT $1 % 4, 'SKU-' || $2 % 50, $1 + i, $2 - 50000, time '00:00:00.5' + $2 * interval '1 s', CASE WHEN i % 2 = 0 THEN 'inventory' END FROM generate_series(1, 5) i ON CONFLICT DO NOTHING`,
  correctStock: `UPDATE stock_move SET delta = -delta, reason = 'corrected' WHERE number % 6 = $1 % 6`,
  renumberStock: `UPDATE stock_move SET number = number + 1000000 WHERE number % 12 = $1 % 12 AND number < 1000000`,
  dropStock: `DELETE FROM stock_move WHERE number % 9 = $1 % 9`,
  setPrices: `INSERT INTO price SELECT 'SKU-' || $1 % 100, daterange(date '2026-01-01' + i, date '2026-01-01' + i + $2 % 30), $1 / 10000.0, '{"tiers": [1, 2.50]}' FROM generate_series(1, 3) i ON CONFLICT DO NOTHING`,
  raisePrices: `UPDATE price SET amount = amount * 1.1, terms = NULL WHERE spread(sku) % 5 = $1 % 5 AND amount < 1000000`,
  extendPrices: `UPDATE price SET valid = daterange(lower(valid), upper(valid) + 1000) WHERE spread(sku || valid) % 9 = $1 % 9 AND upper(valid) < '2100-01-01'`,
  dropPrices: `DELETE FROM price WHERE spread(sku || valid) % 7 = $1 % 7`,
  addVouchers: `INSERT INTO voucher (code, terms) SELECT 'Code-$1-' || i, CASE WHEN $2 % 3 = 0 THEN repeat(md5('$2'), 200) ELSE 'short' END FROM generate_series(1, 2) i ON CONFLICT DO NOTHING`,
  useVouchers: `UPDATE voucher SET uses = uses + 1 WHERE id % 5 = $1 % 5`,
  recodeVouchers: `UPDATE voucher SET code = 'anew-' || id || '-$1' WHERE id % 11 = $2 % 11`,
  dropVouchers: `DELETE FROM voucher WHERE id % 10 = $1 % 10`,
  fillBasket: `INSERT INTO basket SELECT 'session ' || $1 % 9, 'SKU-' || $2 % 5, 1, CASE WHEN i = 1 THEN timestamptz '2026-06-01 00:00:00+00' END FROM generate_series(1, 3) i`,
  changeBasket: `UPDATE basket SET quantity = quantity + 1 WHERE session = 'session ' || $1 % 9`,
  emptyBasket: `DELETE FROM basket WHERE session = 'session ' || $1 % 9`,
  truncateBasket: `TRUNCATE basket; INSERT INTO basket VALUES ('first', NULL, NULL, NULL), ('first', NULL, NULL, NULL)`,
  addDepartments: `INSERT INTO department SELECT g, CASE WHEN g > 1 THEN g / 2 END, 'Department ' || g, g * 1000.5 FROM generate_series(1, 31) g ON CONFLICT (id) DO UPDATE SET name = excluded.name || ' $1'`,
  swapDepartments: `UPDATE department SET id = CASE id WHEN 40 THEN 41 ELSE 40 END WHERE id IN (40, 41); INSERT INTO department VALUES (40 + $1 % 2, 40 + $1 % 2, 'x$2') ON CONFLICT DO NOTHING`,
  budgetDepartments: `UPDATE department SET budget = nullif(budget + $1, 0) WHERE id % 4 = $2 % 4`,
  dropDepartments: `DELETE FROM department WHERE id >= 40`,
  addReviews: `INSERT INTO review SELECT 'SKU-' || $1 % 90, i, 1 + $2 % 5, CASE WHEN i = 1 THEN repeat('good ' || md5('$2'), 500) END FROM generate_series(1, 3) i ON CONFLICT DO NOTHING`,
  thankReviews: `UPDATE review SET helpful = helpful + 1 WHERE spread(sku) % 5 = $1 % 5`,
  moveReviews: `UPDATE review SET author = author + 1000 WHERE author < 1000 AND spread(sku) % 11 = $1 % 11`,
  dropReviews: `DELETE FROM review WHERE spread(sku || author) % 9 = $1 % 9`,
};

/** A shop. */
export const COMMERCE: RealSchema = {
  name: 'commerce',
  schemas: ['public'],
  setup: readSetup(import.meta.url),
  first: {
    addCustomers: 30,
    addCategories: 20,
    addProducts: 40,
    placeOrder: 40,
    addPayments: 15,
    book: 25,
    moveStock: 25,
    setPrices: 30,
    addVouchers: 20,
    fillBasket: 20,
    addDepartments: 1,
    addReviews: 30,
  },
  statements: STATEMENTS,
  migrations: [
    {
      title: 'add a column with a default',
      sql: `ALTER TABLE product ADD COLUMN weight numeric(8, 3) NOT NULL DEFAULT 0.250`,
      statements: { weigh: `UPDATE product SET weight = $1 / 1000.0 WHERE spread(sku) % 4 = $2 % 4` },
    },
    {
      title: 'a longer varchar',
      sql: 'ALTER TABLE customer ALTER COLUMN name TYPE varchar(200)',
      statements: { longNames: `UPDATE customer SET name = repeat('Ä', 100) || $1 WHERE id % 7 = $2 % 7` },
    },
    {
      title: 'numeric with more digits',
      sql: 'ALTER TABLE order_item ALTER COLUMN price TYPE numeric(16, 4); ALTER TABLE "order" ALTER COLUMN total TYPE numeric(20, 4)',
      statements: {
        dear: `UPDATE order_item SET price = price + 900000000000 WHERE line = 1 AND price < 900000000000 AND spread(order_id::text) % 4 = $1 % 4`,
      },
    },
    {
      title: 'rename a table',
      sql: 'ALTER TABLE review RENAME TO rating',
      statements: Object.fromEntries(
        ['addReviews', 'thankReviews', 'moveReviews', 'dropReviews'].map((name) => [
          name,
          (STATEMENTS[name] as string).replace('review', 'rating'),
        ]),
      ),
    },
    {
      title: 'drop a column, add one of the same name with another type',
      sql: 'ALTER TABLE payment DROP COLUMN answer; ALTER TABLE payment ADD COLUMN answer integer',
      statements: { addPayments: (STATEMENTS['addPayments'] as string).replace(`'{"ok":true,"code" : $2}'`, '$2') },
    },
    {
      title: 'int becomes bigint in a key',
      sql: 'ALTER TABLE payment ALTER COLUMN id TYPE bigint; ALTER TABLE department ALTER COLUMN id TYPE bigint',
    },
    {
      title: 'a type computed anew',
      sql: `ALTER TABLE "order" ALTER COLUMN note TYPE jsonb USING to_jsonb(note)`,
      statements: { placeOrder: (STATEMENTS['placeOrder'] as string).replace(`'note $2'`, `'{"note": $2}'`) },
    },
    {
      title: 'a new value of an enum',
      sql: `ALTER TYPE order_state ADD VALUE 'lost' AFTER 'sent'`,
      statements: { loseOrders: `UPDATE "order" SET state = 'lost' WHERE spread(id::text) % 8 = $1 % 8` },
    },
    {
      title: 'another primary key',
      sql: 'ALTER TABLE voucher DROP CONSTRAINT voucher_pkey; ALTER TABLE voucher ADD PRIMARY KEY (code)',
    },
    {
      title: 'DROP NOT NULL',
      sql: 'ALTER TABLE category ALTER COLUMN title DROP NOT NULL',
      statements: { untitle: `UPDATE category SET title = NULL WHERE spread(path::text) % 3 = $1 % 3` },
    },
    {
      title: 'a new table',
      sql: `CREATE TABLE shipment (order_id uuid, parcel integer, weight real, PRIMARY KEY (order_id, parcel)); INSERT INTO shipment SELECT id, 1, 2.5 FROM "order"`,
      statements: {
        ship: `INSERT INTO shipment SELECT id, $1, $2 / 7e0 FROM "order" ORDER BY md5(id::text || $1) LIMIT 4 ON CONFLICT DO NOTHING`,
      },
    },
    {
      title: 'drop a table',
      sql: 'DROP TABLE price',
      statements: { setPrices: null, raisePrices: null, extendPrices: null, dropPrices: null },
    },
    {
      title: 'a key for a table that had none',
      sql: 'ALTER TABLE basket ADD COLUMN id bigserial PRIMARY KEY; ALTER TABLE basket REPLICA IDENTITY DEFAULT',
      statements: { truncateBasket: `TRUNCATE basket; INSERT INTO basket (session) VALUES ('first'), ('first')` },
    },
    {
      title: 'a column with a volatile default',
      sql: 'ALTER TABLE stock_move ADD COLUMN stamp uuid NOT NULL DEFAULT gen_random_uuid()',
      statements: {
        moveStock: (STATEMENTS['moveStock'] as string).replace(
          'INTO stock_move',
          'INTO stock_move (warehouse, sku, number, delta, at, reason)',
        ),
      },
    },
  ],
};
