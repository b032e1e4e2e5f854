/** PostgreSQL's files: the database cluster (`initdb`), its socket, and what a crash leaves of it. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, mkdtemp, readlink, realpath, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AppError } from '../model/errors.ts';
import { type Account, ownDirectory, postgresAccount, reachableBinaries, reachableHome } from './postgres-account.ts';
import { findPostgresBinaries } from './postgres-binaries.ts';
import { readIfExists } from './private-file.ts';
import { identify } from './process-identity.ts';

const run = promisify(execFile);

/** A unix socket's path holds 103 bytes on macOS, 107 on Linux; PostgreSQL adds 16 to the directory's. */
const SOCKET_DIRECTORY_BYTES = 80;

/** Files of a server, ready to start. */
export interface PostgresCluster {
  readonly native: string;
  readonly data: string;
  readonly socketDir: string;
  readonly account: Account | undefined;
  /** Without our own variables (PGDATA and the like would be obeyed; secrets are none of its business). */
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Finds or makes the cluster of a data directory.
 *
 * @throws {AppError} `ENGINE_MISSING`, `ENGINE_START`.
 */
export async function openCluster(
  home: string,
  options: { password: string; native?: string | undefined },
): Promise<PostgresCluster> {
  const account = await postgresAccount();
  const found = options.native === undefined ? findPostgresBinaries() : { native: options.native, version: 'given' };
  const native = await reachableBinaries(found.native, found.version, account);
  const place = await reachableHome(home, account);
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
  const data = join(place, 'data');
  if (!existsSync(join(data, 'PG_VERSION')))
    await initialize({ native, place, account, env, password: options.password });
  return { native, data, socketDir: await socketDirectory(place, account), account, env };
}

interface Initialization {
  readonly native: string;
  readonly place: string;
  readonly account: Account | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly password: string;
}

/** Makes the cluster beside its place and moves it there when it is complete. */
async function initialize(options: Initialization): Promise<void> {
  const { place, account } = options;
  const draft = join(place, 'data.new');
  await rm(draft, { recursive: true, force: true });
  await ownDirectory(draft, account);
  const passwordFile = join(place, 'password.new');
  await writeFile(passwordFile, options.password, { mode: 0o600 });
  if (account !== undefined) await chown(passwordFile, account.uid, account.gid);
  const args = [
    '-D',
    draft,
    '-U',
    'postgres',
    `--pwfile=${passwordFile}`,
    '-A',
    'scram-sha-256',
    '-E',
    'UTF8',
    '--locale=C',
    '--no-instructions',
  ];
  try {
    await run(join(options.native, 'bin', 'initdb'), args, { cwd: draft, env: options.env, ...account });
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new AppError('ENGINE_START', `initdb failed: ${(stderr ?? String(error)).trim()}`, { cause: error });
  } finally {
    await unlink(passwordFile);
  }
  await rename(draft, join(place, 'data'));
}

async function socketDirectory(place: string, account: Account | undefined): Promise<string> {
  const beside = join(place, 'socket');
  if (Buffer.byteLength(beside) <= SOCKET_DIRECTORY_BYTES) {
    await ownDirectory(beside, account);
    return beside;
  }
  const temporary = await mkdtemp(join(tmpdir(), 'mr-'));
  await ownDirectory(temporary, account);
  return temporary;
}

/**
 * Returns whether a server was killed here. When its pid now belongs to some other process, which PostgreSQL
 * would take for that server, the pid file is removed; else PostgreSQL sees to it.
 *
 * @throws {AppError} `ALREADY_RUNNING` when a server works on this data.
 */
export async function removeStalePid(data: string): Promise<boolean> {
  const file = join(data, 'postmaster.pid');
  const text = await readIfExists(file);
  if (text === undefined) return false;
  const pid = Number.parseInt(text, 10);
  if (!Number.isInteger(pid) || identify(pid) === undefined) return true;
  if (await isServerOf(data, pid)) {
    throw new AppError('ALREADY_RUNNING', `a PostgreSQL server, process ${pid}, works on ${data}`);
  }
  await rm(file, { force: true });
  return true;
}

/** A server's working directory is its data directory. */
async function isServerOf(data: string, pid: number): Promise<boolean> {
  if (process.platform === 'linux') {
    try {
      return (await readlink(`/proc/${pid}/cwd`)) === (await realpath(data));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Another user's process, or one that has just ended.
      if (code === 'EACCES' || code === 'ENOENT') return false;
      throw error;
    }
  }
  const { stdout } = await run('ps', ['-o', 'command=', '-p', String(pid)]);
  return stdout.includes(data);
}
