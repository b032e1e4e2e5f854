import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, cp, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { waitFor } from '../../test/support/wait.ts';
import { ClickHouse } from '../destination/client.ts';
import { packageRoot } from '../model/package-root.ts';
import { connectPostgres, pgRows } from '../source/connection.ts';
import { type Endpoints, readEndpoints, startEngines } from './endpoints.ts';
import { type Account, canEnter, postgresAccount, reachableBinaries } from './postgres-account.ts';
import { findPostgresBinaries } from './postgres-binaries.ts';
import { identify } from './process-identity.ts';

let dataDir = '';
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'engines-'));
  await chmod(dataDir, 0o711);
});
afterEach(async () => rm(dataDir, { recursive: true, force: true }));

const start = () => startEngines({ dataDir, postgres: { settings: { fsync: 'off' } } });

async function inPostgres(url: string, sql: string): Promise<unknown[]> {
  const client = await connectPostgres(url);
  try {
    return await pgRows(client, sql);
  } finally {
    await client.end();
  }
}

async function inClickHouse(url: string, sql: string): Promise<unknown[]> {
  await using client = new ClickHouse(url);
  if (/^(SELECT|SHOW)/.test(sql)) return client.rows(sql);
  await client.command(sql);
  return [];
}

async function listen(): Promise<AsyncDisposable & { port: number }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.asyncDispose]: async () => void server.close() };
}

interface Owner {
  readonly process: ChildProcess;
  readonly postgres: number;
  readonly clickhouse: number;
  readonly endpoints: Endpoints;
}

async function startOwner(user?: { uid: number; gid: number }): Promise<Owner> {
  const program = join(packageRoot(), 'dist', 'test', 'support', 'engines-owner.js');
  const child = spawn(process.execPath, [program, dataDir], { stdio: ['ignore', 'pipe', 'inherit'], ...user });
  const died = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the owner ended with ${code}`)));
  const [line] = (await Promise.race([once(createInterface(child.stdout), 'line'), died])) as [string];
  died.catch(() => undefined);
  return { process: child, ...(JSON.parse(line) as Omit<Owner, 'process'>) };
}

async function allEnded(owner: Owner): Promise<void> {
  await waitFor(() => identify(owner.postgres) === undefined && identify(owner.clickhouse) === undefined, {
    what: 'both engines to end',
    timeoutMs: 25_000,
  });
}

describe('both engines', () => {
  test('GIVEN data in both WHEN stopped and started again THEN data, ports and passwords are the same', async () => {
    const first = await start();
    await inPostgres(first.endpoints.postgres, 'CREATE TABLE kept AS SELECT 42 AS a');
    await inClickHouse(first.endpoints.clickhouse, 'CREATE DATABASE ads');
    await inClickHouse(
      first.endpoints.clickhouse,
      'CREATE TABLE ads.kept ENGINE = MergeTree ORDER BY a AS SELECT 43 AS a',
    );
    expect(await readEndpoints(dataDir)).toEqual(first.endpoints);
    expect((await stat(join(dataDir, 'endpoints.json'))).mode & 0o777).toBe(0o600);
    await first.stop();
    expect(await readEndpoints(dataDir)).toBeUndefined();
    expect([identify(first.postgres.pid), identify(first.clickhouse.pid)]).toEqual([undefined, undefined]);

    const second = await start();
    try {
      expect(second.endpoints).toEqual(first.endpoints);
      expect(await inPostgres(second.endpoints.postgres, 'SELECT a FROM kept')).toEqual([{ a: '42' }]);
      expect(await inPostgres(second.postgres.socketUrl, 'SHOW wal_level')).toEqual([{ wal_level: 'logical' }]);
      expect(await inClickHouse(second.endpoints.clickhouseReader, 'SELECT a FROM ads.kept')).toEqual([{ a: 43 }]);
    } finally {
      await second.clickhouse.kill();
      await second.stop();
    }
  });

  test('GIVEN running engines WHEN started again on the same directory THEN ALREADY_RUNNING, and they go on', async () => {
    const engines = await start();
    try {
      await expect(start()).rejects.toMatchObject({ code: 'ALREADY_RUNNING' });
      expect(await inPostgres(engines.endpoints.postgres, 'SELECT 1 AS a')).toEqual([{ a: '1' }]);
    } finally {
      await engines.clickhouse.kill();
      await engines.stop();
    }
  });

  test('GIVEN a port that is taken WHEN asked for THEN the engine says so, and the other is stopped again', async () => {
    await using listener = await listen();
    const wish = { dataDir, postgresPort: listener.port };
    await expect(startEngines(wish)).rejects.toMatchObject({
      code: 'ENGINE_START',
      message: expect.stringContaining(String(listener.port)),
    });
    expect(await readdir(join(dataDir, 'clickhouse'))).not.toContain('lock');
  });

  test('GIVEN an owner WHEN it is killed THEN no engine stays, and the next start works at once', async () => {
    const owner = await startOwner();
    await inPostgres(owner.endpoints.postgres, 'CREATE TABLE kept AS SELECT 42 AS a');
    owner.process.kill('SIGKILL');
    await once(owner.process, 'exit');
    expect(await readEndpoints(dataDir)).toBeUndefined();
    const next = await start();
    try {
      await allEnded(owner);
      expect(await inPostgres(next.endpoints.postgres, 'SELECT a FROM kept')).toEqual([{ a: '42' }]);
    } finally {
      await next.clickhouse.kill();
      await next.stop();
    }
  });

  test('GIVEN engines that were killed themselves WHEN started again THEN both start on their data', async () => {
    const first = await start();
    await Promise.all([first.postgres.kill('SIGKILL'), first.clickhouse.kill()]);
    await first.stop();
    const second = await start();
    await Promise.all([second.postgres.kill('SIGQUIT'), second.clickhouse.kill()]);
    await second.stop();
  });
});

describe('who may do what', () => {
  test('GIVEN the reader, and the user without a password WHEN they ask THEN tables are read, files are not', async () => {
    await using engines = await start();
    const { clickhouse, clickhouseReader } = engines.endpoints;
    const denied = { code: 'CLICKHOUSE_AUTH' };
    await expect(
      inClickHouse(clickhouseReader, "SELECT count() FROM file('/etc/passwd', 'LineAsString')"),
    ).rejects.toMatchObject(denied);
    await expect(inClickHouse(clickhouseReader, 'CREATE DATABASE x')).rejects.toMatchObject(denied);
    const nobody = new URL(clickhouse);
    nobody.username = 'default';
    nobody.password = '';
    await expect(inClickHouse(nobody.toString(), 'SELECT 1')).rejects.toMatchObject({
      details: { clickhouseCode: '700' },
    });
    expect(await inClickHouse(clickhouse, 'SELECT currentUser() AS user')).toEqual([{ user: 'millrace' }]);
  });

  test('GIVEN the passwords WHEN the files and command lines of the engines are read THEN none is in sight', async () => {
    const engines = await start();
    try {
      const secrets = [engines.endpoints.postgres, engines.endpoints.clickhouse].map((url) => new URL(url).password);
      for (const name of await readdir(join(dataDir, 'log'))) {
        const text = await readFile(join(dataDir, 'log', name), 'utf8');
        expect(secrets.some((secret) => text.includes(secret))).toBe(false);
      }
      for (const pid of process.platform === 'linux' ? [engines.postgres.pid, engines.clickhouse.pid] : []) {
        const text = await readFile(`/proc/${pid}/cmdline`, 'utf8');
        expect(secrets.some((secret) => text.includes(secret))).toBe(false);
      }
    } finally {
      await engines.clickhouse.kill();
      await engines.stop();
    }
  });
});

describe.runIf(process.getuid?.() === 0)('as root', () => {
  test('GIVEN a data directory that only root enters WHEN started twice THEN PostgreSQL keeps its data elsewhere', async () => {
    await chmod(dataDir, 0o700);
    const first = await start();
    await inPostgres(first.endpoints.postgres, 'CREATE TABLE kept AS SELECT 42 AS a');
    await Promise.all([first.postgres.stop(), first.clickhouse.kill()]);
    await first.stop();
    const elsewhere = await readFile(join(dataDir, 'postgres', 'elsewhere'), 'utf8');
    const second = await start();
    try {
      expect(await inPostgres(second.endpoints.postgres, 'SELECT a FROM kept')).toEqual([{ a: '42' }]);
    } finally {
      await second.clickhouse.kill();
      await second.stop();
      await rm(elsewhere, { recursive: true });
    }
  });

  test('GIVEN binaries that only root reaches WHEN looked for THEN a copy serves, made once', async () => {
    const account = (await postgresAccount()) as Account;
    await chmod(dataDir, 0o700);
    const closed = join(dataDir, 'native');
    await cp(findPostgresBinaries().native, closed, { recursive: true, verbatimSymlinks: true });
    const copy = await reachableBinaries(closed, `test-${process.pid}`, account);
    try {
      expect(copy).not.toBe(closed);
      const { stdout } = await promisify(execFile)(join(copy, 'bin', 'postgres'), ['--version'], {
        ...account,
        cwd: '/',
      });
      expect(stdout).toMatch(/^postgres \(PostgreSQL\) 18/);
      expect(await reachableBinaries(closed, `test-${process.pid}`, account)).toBe(copy);
    } finally {
      await rm(copy, { recursive: true });
    }
  });

  test('GIVEN another user WHEN it owns the engines and is killed THEN they ran as that user, and none stays', async ({
    skip,
  }) => {
    const user = (await postgresAccount()) as Account;
    skip(!(await canEnter(user, packageRoot())), 'this checkout is closed to other users');
    await chown(dataDir, user.uid, user.gid);
    const owner = await startOwner(user);
    expect((await stat(join(dataDir, 'postgres', 'data'))).uid).toBe(user.uid);
    owner.process.kill('SIGKILL');
    await allEnded(owner);
  });
});
