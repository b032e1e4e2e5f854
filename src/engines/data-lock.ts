/** One owner per data directory, told by pid and start time, so that a crash leaves no lock behind. */
import { link, unlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../model/errors.ts';
import { type ProcessIdentity, identify, isAlive } from './process-identity.ts';
import { readIfExists, writePrivate } from './private-file.ts';

/** A server whose owner was killed ends by its guard; longer than the longest grace. */
const LEFTOVER_MS = 25_000;

interface LockContent {
  readonly owner: ProcessIdentity;
  readonly engine?: ProcessIdentity | undefined;
}

/** A held lock. */
export interface DataLock {
  /** Remembers the server, so that the next owner waits for its end. */
  engineStarted(pid: number): Promise<void>;
  release(): Promise<void>;
}

/**
 * Takes the lock of a data directory; waits for a server whose owner has died to end.
 *
 * @param file The lock's file.
 * @param what The engine and its directory, for the message.
 * @throws {AppError} `ALREADY_RUNNING` while another process (or this one) holds it.
 */
export async function lockData(file: string, what: string): Promise<DataLock> {
  const owner = identify(process.pid) as ProcessIdentity;
  while (!(await tryCreate(file, { owner }))) {
    const text = await readIfExists(file);
    if (text === undefined) continue;
    const content = JSON.parse(text) as LockContent;
    if (isAlive(content.owner)) {
      throw new AppError('ALREADY_RUNNING', `${what} is in use by process ${content.owner.pid}`);
    }
    if (content.engine !== undefined) await leftoverEnded(content.engine, what);
    await unlink(file).catch(ignoreMissing);
  }
  return {
    engineStarted: async (pid) => writePrivate(file, JSON.stringify({ owner, engine: identify(pid) })),
    release: async () => unlink(file).catch(ignoreMissing),
  };
}

/** A link appears with its content or not at all: nobody reads a half-written lock. */
async function tryCreate(file: string, content: LockContent): Promise<boolean> {
  const draft = `${file}.${process.pid}`;
  await writePrivate(draft, JSON.stringify(content));
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await unlink(draft);
  }
}

async function leftoverEnded(engine: ProcessIdentity, what: string): Promise<void> {
  const deadline = Date.now() + LEFTOVER_MS;
  while (isAlive(engine)) {
    if (Date.now() > deadline)
      throw new AppError('ALREADY_RUNNING', `${what} still has a server, process ${engine.pid}, of an owner that died`);
    await sleep(50);
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
