/**
 * Whom PostgreSQL runs as, and where its files must lie for that.
 *
 * It refuses to run as root. Then an unprivileged account runs it, which needs a way to the binaries
 * and to the data: below a home directory of mode 0700 there is none, and both go elsewhere.
 */
import { execFile } from 'node:child_process';
import { chmod, chown, cp, mkdir, mkdtemp, rename, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AppError } from '../model/errors.ts';
import { readIfExists, writePrivate } from './private-file.ts';

const run = promisify(execFile);

/** A user of the operating system. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The account that PostgreSQL runs as; undefined when that is ourselves.
 *
 * @throws {AppError} `ENGINE_START` when we are root and the system has neither `postgres` nor `nobody`.
 */
export async function postgresAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const found = (await accountNamed('postgres')) ?? (await accountNamed('nobody'));
  if (found === undefined) {
    throw new AppError('ENGINE_START', 'PostgreSQL does not run as root, and there is no user postgres or nobody');
  }
  return found;
}

async function accountNamed(name: string): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch (error) {
    // id ends with 1 for an unknown user.
    if ((error as { code?: unknown }).code === 1) return undefined;
    throw error;
  }
}

/** Whether the account can enter a directory. */
export async function canEnter(account: Account, directory: string): Promise<boolean> {
  try {
    await run('/bin/sh', ['-c', 'cd -- "$1"', 'sh', directory], { ...account, cwd: '/' });
    return true;
  } catch (error) {
    if (typeof (error as { code?: unknown }).code === 'number') return false;
    throw error;
  }
}

/**
 * A directory for PostgreSQL's own files: `home`, or, when the account cannot enter that, one elsewhere,
 * which `home` remembers (file `elsewhere`).
 */
export async function reachableHome(home: string, account: Account | undefined): Promise<string> {
  if (account === undefined || (await canEnter(account, home))) return home;
  const note = join(home, 'elsewhere');
  const noted = (await readIfExists(note))?.trim();
  if (noted !== undefined && (await isDirectory(noted))) return noted;
  const made = await mkdtemp(join(await commonGround(account), 'postgres-'));
  await chmod(made, 0o711);
  await writePrivate(note, made);
  return made;
}

/** The binaries, where the account reaches them: in the package, else in a copy kept for this version. */
export async function reachableBinaries(
  native: string,
  version: string,
  account: Account | undefined,
): Promise<string> {
  if (account === undefined || (await canEnter(account, join(native, 'bin')))) return native;
  const copy = join(await commonGround(account), `binaries-${version}`);
  if (await isDirectory(copy)) return copy;
  const draft = await mkdtemp(`${copy}.`);
  await cp(native, draft, { recursive: true, verbatimSymlinks: true });
  await chmod(draft, 0o755);
  // Another process may have put its copy there meanwhile: then that one is used.
  await rename(draft, copy).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  });
  return copy;
}

/**
 * A directory of root's that every account can pass through. In /var/lib, where it survives a restart of
 * the machine; where that is read-only or closed, a fresh one among the temporary files.
 */
async function commonGround(account: Account): Promise<string> {
  const lasting = '/var/lib/millrace';
  try {
    await mkdir(lasting, { recursive: true, mode: 0o711 });
    if ((await stat(lasting)).uid === 0 && (await canEnter(account, lasting))) return lasting;
  } catch (error) {
    if (!['EROFS', 'EACCES', 'EPERM', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  const temporary = await mkdtemp(join(tmpdir(), 'millrace-'));
  await chmod(temporary, 0o711);
  return temporary;
}

/** Makes an empty directory that belongs to the account, mode 0700. */
export async function ownDirectory(path: string, account: Account | undefined): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  if (account !== undefined) await chown(path, account.uid, account.gid);
}

async function isDirectory(path: string): Promise<boolean> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  return found?.isDirectory() === true;
}
