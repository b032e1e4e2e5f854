/**
 * A small file system for ClickHouse, so that it can run full: in memory, mounted by us. Needs Linux and the
 * right to mount; elsewhere there is none, and the fault that fills it finds nothing to break.
 */
import { execFile } from 'node:child_process';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeDirectory } from '../engines/private-file.ts';

const run = promisify(execFile);

/** Room for the copies of a run, with what merges and dropped tables still hold. */
const SIZE = '384m';
/** Left free, bytes: less than our inserts ask for, more than those need that are on their way. */
const LEFT = 48 * 1024 * 1024;

/** A mounted file system. */
export interface SmallDisk {
  /** Leaves too little free. */
  fill(): Promise<void>;
  /** Gives the room back. */
  empty(): Promise<void>;
  /** Takes it away, with what is on it. */
  unmount(): Promise<void>;
}

/** Mounts one at a directory; null where that is not possible. */
export async function mountSmallDisk(path: string): Promise<SmallDisk | null> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return null;
  await makeDirectory(path);
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${SIZE},mode=0711`, 'millrace-chaos', path]);
  } catch {
    return null;
  }
  const filler = join(path, 'chaos-filler');
  return {
    fill: async () => {
      const { bavail, bsize } = await statfs(path);
      await writeFile(filler, Buffer.alloc(Math.max(0, bavail * bsize - LEFT))).catch((error: unknown) => {
        // Somebody else wrote meanwhile: full is what it should be.
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      });
    },
    empty: async () => rm(filler, { force: true }),
    unmount: async () => void (await run('umount', [path])),
  };
}
