import { describe, expect, test } from 'vitest';
import { temporaryPostgres, type TemporaryPostgres } from '../../test/support/databases.ts';
import { readCatalog } from './catalog.ts';
import { connectPostgres } from './connection.ts';
import type { PreflightSubject } from './preflight-facts.ts';
import { checkPostgres } from './preflight.ts';
import { ensurePublication } from './publication.ts';

/** Settings of the test server that a check may rightly complain about. */
const OF_THE_SERVER = new Set([
  'max_slot_wal_keep_size',
  'long_transaction',
  'wal_sender_timeout',
  'logical_decoding_work_mem',
]);

async function findings(pg: Pick<TemporaryPostgres, 'client'>, options: Partial<PreflightSubject> = {}) {
  const catalog = await readCatalog(pg.client);
  const all = await checkPostgres({
    client: pg.client,
    catalog,
    slot: 'preflight',
    publication: 'preflight',
    ...options,
  });
  return all.filter((finding) => !OF_THE_SERVER.has(finding.code));
}

describe('preflight', () => {
  test('GIVEN a server and tables in order THEN there is nothing to say', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query('CREATE TABLE item (id int PRIMARY KEY)');
    expect(await findings(pg)).toEqual([]);
  });

  test('GIVEN no tables THEN it says so', async () => {
    await using pg = await temporaryPostgres();
    expect(await findings(pg)).toMatchObject([{ code: 'no_tables', severity: 'error' }]);
  });

  test('GIVEN tables with faults THEN each is found, and its remedy cures it', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query(`
      CREATE UNLOGGED TABLE loose (id int PRIMARY KEY);
      CREATE TABLE mute (id int PRIMARY KEY); ALTER TABLE mute REPLICA IDENTITY NOTHING;
      CREATE TABLE other (id int PRIMARY KEY, u int NOT NULL UNIQUE); ALTER TABLE other REPLICA IDENTITY USING INDEX other_u_key;
      CREATE TABLE same (id int PRIMARY KEY); ALTER TABLE same REPLICA IDENTITY USING INDEX same_pkey`);
    const found = await findings(pg);
    expect(found.map(({ code, object }) => `${code} ${object}`)).toEqual([
      'table_unsuitable public.loose',
      'replica_identity public.mute',
    ]);
    for (const { remedy } of found) await pg.client.query(remedy);
    expect(await findings(pg)).toEqual([]);
  });

  test('GIVEN a role without rights THEN each is found, and its remedy cures it', async () => {
    await using pg = await temporaryPostgres();
    const role = `Weak "role ${process.pid}`;
    const quoted = `"${role.replaceAll('"', '""')}"`;
    await pg.client.query(`
      CREATE TABLE item (id int PRIMARY KEY); ALTER TABLE item ENABLE ROW LEVEL SECURITY; CREATE POLICY none ON item USING (false);
      CREATE ROLE ${quoted} LOGIN PASSWORD 'p'`);
    try {
      const url = new URL(pg.url);
      url.username = encodeURIComponent(role);
      url.password = 'p';
      const client = await connectPostgres(url.toString());
      // Row security comes first: what it hides is not looked at.
      const first = await findings({ client });
      expect(first.map(({ code }) => code)).toEqual(['role_replication', 'publication_create', 'table_unsuitable']);
      expect(first[2]?.message).toContain('row security');
      await ensurePublication(pg.client, 'preflight', [{ schema: 'public', name: 'item' }]);
      for (const { remedy } of first) await pg.client.query(remedy);
      const then = await findings({ client });
      expect(then.map(({ code }) => code)).toEqual(['table_select']);
      for (const { remedy } of then) await pg.client.query(remedy);
      expect(await findings({ client })).toEqual([]);
      await client.end();
    } finally {
      await pg.client.query(`DROP OWNED BY ${quoted}; DROP ROLE ${quoted}`);
    }
  });

  test('GIVEN a column that has no codec THEN it is named', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query('CREATE TABLE item (id int PRIMARY KEY, shape polygon)');
    const columnFault: PreflightSubject['columnFault'] = ({ typeName }) => (typeName === 'polygon' ? 'no codec' : null);
    expect(await findings(pg, { columnFault })).toMatchObject([{ code: 'column_type', object: 'public.item.shape' }]);
  });
});
