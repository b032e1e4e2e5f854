/**
 * A file of a transaction in progress. It loses its name as soon as it is open: nobody else can open it, and the
 * system frees it when this process ends, however it ends. So nothing is left behind, nor has to be cleared away.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, read, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../model/errors.ts';

/** Errno codes that mean “no room”: of the disk, of the user, for one file. */
const NO_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Names an error of the file system. @returns `SPOOL_FULL` when room is what lacks, else `SPOOL_FAILED`. */
export function spoolError(error: unknown, what: string): AppError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new AppError(NO_ROOM.has(code ?? '') ? 'SPOOL_FULL' : 'SPOOL_FAILED', `${what}: ${message}`, { cause: error });
}

/** An append-only file, readable by its owner alone. */
export class SpoolFile {
  readonly #fd: number;
  #size = 0;

  /** @throws {AppError} `SPOOL_FULL`, `SPOOL_FAILED`. */
  constructor(directory: string) {
    const path = join(directory, `millrace-spool-${randomUUID()}`);
    try {
      this.#fd = openSync(path, 'wx+', 0o600);
      unlinkSync(path);
    } catch (error) {
      throw spoolError(error, `no file can be made in the spool directory ${directory}`);
    }
  }

  /** Bytes written. */
  get size(): number {
    return this.#size;
  }

  /**
   * Appends `bytes[start, end)`. Waits for the system to take them, which it does at the speed of memory until
   * the disk falls behind; then the stream shall wait as well.
   *
   * @throws {AppError} `SPOOL_FULL`, `SPOOL_FAILED`.
   */
  append(bytes: Buffer, start: number, end: number): void {
    try {
      for (let at = start; at < end;) {
        const written = writeSync(this.#fd, bytes, at, end - at, this.#size);
        at += written;
        this.#size += written;
      }
    } catch (error) {
      throw spoolError(error, 'a transaction in progress cannot be spooled');
    }
  }

  /**
   * Reads from `position` into `buffer[offset, …)`, as much as there is and fits.
   *
   * @returns Bytes read.
   * @throws {AppError} `SPOOL_FAILED`.
   */
  read(buffer: Buffer, offset: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.#fd, buffer, offset, buffer.length - offset, position, (error, bytesRead) => {
        if (error === null) resolve(bytesRead);
        else reject(spoolError(error, 'a spooled transaction cannot be read'));
      });
    });
  }

  /** Frees the file. No read may be under way: its number may be another file's at once. */
  close(): void {
    closeSync(this.#fd);
  }
}
