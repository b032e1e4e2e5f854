/** `verify` with a standby: rows are read there, the position comes from the source. */
import { chmod, chown, cp, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type EmbeddedPostgres, startPostgres } from '../src/engines/postgres.ts';
import { connectPostgres } from '../src/source/connection.ts';
import type { VerifyOptions } from '../src/verify/options.ts';
import { verify } from '../src/verify/verify.ts';
import { temporaryClickHouse, type TemporaryPostgres } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { presentWriter } from './support/plant.ts';

const FAST = { fsync: 'off' };

/** Starts a standby from a copy of the files of a stopped server. */
async function startStandby(home: string, primary: EmbeddedPostgres): Promise<EmbeddedPostgres> {
  const directory = join(home, 'standby');
  const { port, hostname, username, password } = new URL(primary.url);
  const conninfo = `host=${hostname} port=${port} user=${username} password=${password}`;
  await writeFile(join(directory, 'data', 'standby.signal'), '');
  const { uid, gid } = await stat(join(home, 'primary', 'data'));
  for (const name of await readdir(directory, { recursive: true })) await chown(join(directory, name), uid, gid);
  return await startPostgres({ dataDir: directory, settings: { ...FAST, primary_conninfo: conninfo } });
}

test('GIVEN a standby THEN rows are read there, and differences are found all the same', async () => {
  const home = await mkdtemp(join(tmpdir(), 'millrace-standby-'));
  await chmod(home, 0o711);
  await using ch = await temporaryClickHouse();
  const first = await startPostgres({ dataDir: join(home, 'primary'), settings: FAST });
  await first.stop();
  await cp(join(home, 'primary'), join(home, 'standby'), { recursive: true });
  const primary = await startPostgres({ dataDir: join(home, 'primary'), settings: FAST });
  const standby = await startStandby(home, primary);
  const client = await connectPostgres(primary.url);
  try {
    const pg: TemporaryPostgres = {
      url: primary.url,
      database: 'standby_test',
      client,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    await client.query(
      "CREATE TABLE words (id int PRIMARY KEY, t text); INSERT INTO words SELECT n, 'word ' || n FROM generate_series(1, 500) n",
    );
    await using pipeline = startPipeline(pg, ch);
    await pipeline.caughtUp();
    const options: VerifyOptions = {
      postgresUrl: primary.url,
      replicaUrl: standby.url,
      clickhouseUrl: ch.url,
      names: { database: ch.database, internal: ch.internal },
      slot: pg.database,
      patterns: { include: ['public.*'], exclude: [] },
      only: [],
      unfitPolicy: 'fail',
      maxLoad: 2,
      statementTimeoutMs: 30_000,
      sample: null,
      limit: 20,
      repair: false,
      waitMs: 30_000,
      signal: new AbortController().signal,
    };
    await client.query('UPDATE words SET t = upper(t) WHERE id < 10');
    expect(await verify(options)).toMatchObject({ verdict: 'equal', tables: [{ sourceRows: 500 }] });
    const settings = await presentWriter(ch, pg.database);
    await ch.client.command(`INSERT INTO ${ch.database}.words VALUES (501, 'extra', 0, 0)`, { settings });
    const found = await verify({ ...options, repair: true });
    expect(found.differences).toMatchObject([{ kind: 'extra', key: ['501'] }]);
    expect(found.verdict).toBe('repaired');
    await expect(verify({ ...options, replicaUrl: primary.url })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  } finally {
    await client.end();
    await Promise.all([standby.kill('SIGQUIT'), primary.kill('SIGQUIT')]);
    await rm(home, { recursive: true, force: true });
  }
});
