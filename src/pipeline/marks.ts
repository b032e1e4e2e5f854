/**
 * The columns that Millrace adds to every landing row: version, deleted, sign, raw (and the commit time
 * for tables with history). Filled per row by the batch, not by PostgreSQL's bytes.
 */
import type { NamedBlockColumn } from '../codec/native.ts';

/** What one landing row is for. */
export interface Mark {
  /** 1: the row carries the present state, it goes to the mirror (and to the history). */
  readonly raw: 0 | 1;
  /** 1: the present state is that the row is gone. */
  readonly deleted: 0 | 1;
  /** −1 takes an old state out of the rollup, +1 puts a new one in, 0 touches no rollup. */
  readonly sign: -1 | 0 | 1;
  /** 1: the row is gone in the source at its commit time, and stays in the copy (`_deleted_at`). */
  readonly ended?: 1;
}

/** A live row outside of rollups. */
export const PLAIN: Mark = { raw: 1, deleted: 0, sign: 0 };
/** A live row that is put into a rollup. */
export const ADDED: Mark = { raw: 1, deleted: 0, sign: 1 };
/** An old state that is taken out of a rollup. */
export const RETRACTED: Mark = { raw: 0, deleted: 0, sign: -1 };
/** A row that is gone. */
export const TOMBSTONE: Mark = { raw: 1, deleted: 1, sign: 0 };

/** A row that is gone, where rows are counted (destination/multiset.ts): the same values once less. */
export const REMOVED: Mark = { raw: 1, deleted: 0, sign: -1 };

/** A row that is gone in the source, and stays. */
export const ENDED: Mark = { raw: 1, deleted: 0, sign: 0, ended: 1 };

/** The marks of a batch's rows, one entry per row in each array. */
export class MarkColumns {
  /** Versions as pairs of little-endian words (lo, hi): a UInt64 in memory. */
  #version = new Uint32Array(2048);
  /** Number of the change in its transaction, as {@link #version} is kept; counted for tables without a key. */
  #ordinal = new Uint32Array(2048);
  #deleted = new Uint8Array(1024);
  #sign = new Int8Array(1024);
  #raw = new Uint8Array(1024);
  /** 0 where the row has ended: the NULL map of `_deleted_at`. */
  #lasts = new Uint8Array(1024);
  #committedAtUs = new BigInt64Array(1024);
  #rows = 0;

  get rows(): number {
    return this.#rows;
  }

  /** Appends one row's marks. `hi`, `lo`: the WAL position of its change. */
  append(mark: Mark, hi: number, lo: number, committedAtUs: bigint): void {
    if (this.#rows === this.#raw.length) this.#grow();
    const row = this.#rows++;
    this.#version[row * 2] = lo;
    this.#version[row * 2 + 1] = hi;
    this.#deleted[row] = mark.deleted;
    this.#sign[row] = mark.sign;
    this.#raw[row] = mark.raw;
    this.#lasts[row] = mark.ended === 1 ? 0 : 1;
    this.#committedAtUs[row] = committedAtUs;
  }

  /** Gives the row just appended its number among the changes of its transaction. */
  numberLast(ordinal: number): void {
    const row = this.#rows - 1;
    this.#ordinal[row * 2] = ordinal >>> 0;
    this.#ordinal[row * 2 + 1] = Math.floor(ordinal / 0x1_0000_0000);
  }

  isRaw(row: number): boolean {
    return this.#raw[row] === 1;
  }

  isDeleted(row: number): boolean {
    return this.#deleted[row] === 1;
  }

  sign(row: number): number {
    return this.#sign[row] ?? 0;
  }

  /** The WAL position of the row's change. */
  version(row: number): bigint {
    return (BigInt(this.#version[row * 2 + 1] ?? 0) << 32n) | BigInt(this.#version[row * 2] ?? 0);
  }

  committedAtUs(row: number): bigint {
    return this.#committedAtUs[row] ?? 0n;
  }

  /** Makes a row go nowhere: neither mirror nor rollup. */
  silence(row: number): void {
    this.#raw[row] = 0;
    this.#sign[row] = 0;
  }

  /** Makes an ended row a tombstone: what it was is not known. */
  entomb(row: number): void {
    this.#deleted[row] = 1;
    this.#lasts[row] = 1;
  }

  /** Whether the row is gone in the source, and stays. */
  isEnded(row: number): boolean {
    return this.#lasts[row] === 0;
  }

  clear(): void {
    this.#rows = 0;
  }

  /** The columns in Native form; views, valid until the next change. `signed` false sends all signs as 0. */
  columns(options: { signed: boolean; history: boolean; soft?: boolean }): NamedBlockColumn[] {
    const rows = this.#rows;
    const sign = options.signed ? this.#sign.subarray(0, rows) : new Int8Array(rows);
    const columns = [
      fixed('_version', 'UInt64', this.#version.subarray(0, rows * 2), rows),
      fixed('_deleted', 'UInt8', this.#deleted.subarray(0, rows), rows),
      fixed('_sign', 'Int8', sign, rows),
      fixed('_raw', 'UInt8', this.#raw.subarray(0, rows), rows),
    ];
    if (options.soft === true) columns.push(this.#endedAt());
    if (options.history)
      columns.push(fixed('_committed_at', "DateTime64(6, 'UTC')", this.#committedAtUs.subarray(0, rows), rows));
    return columns;
  }

  /** The columns for a table without a key. */
  multisetColumns(): NamedBlockColumn[] {
    const rows = this.#rows;
    return [
      fixed('_version', 'UInt64', this.#version.subarray(0, rows * 2), rows),
      fixed('_ordinal', 'UInt64', this.#ordinal.subarray(0, rows * 2), rows),
      fixed('_sign', 'Int8', this.#sign.subarray(0, rows), rows),
    ];
  }

  #endedAt(): NamedBlockColumn {
    const rows = this.#rows;
    const times = this.#committedAtUs.subarray(0, rows);
    const bytes = new Uint8Array(times.buffer, times.byteOffset, times.byteLength);
    const encode = (parts: Uint8Array[]): void => void parts.push(this.#lasts.subarray(0, rows), bytes);
    return { name: '_deleted_at', column: { clickhouseType: "Nullable(DateTime64(6, 'UTC'))", length: rows, encode } };
  }

  #grow(): void {
    this.#version = copied(new Uint32Array(this.#version.length * 2), this.#version);
    this.#ordinal = copied(new Uint32Array(this.#ordinal.length * 2), this.#ordinal);
    this.#deleted = copied(new Uint8Array(this.#deleted.length * 2), this.#deleted);
    this.#sign = copied(new Int8Array(this.#sign.length * 2), this.#sign);
    this.#lasts = copied(new Uint8Array(this.#lasts.length * 2), this.#lasts);
    this.#raw = copied(new Uint8Array(this.#raw.length * 2), this.#raw);
    this.#committedAtUs = copied(new BigInt64Array(this.#committedAtUs.length * 2), this.#committedAtUs);
  }
}

function copied<T extends { set(source: T): void }>(target: T, source: T): T {
  target.set(source);
  return target;
}

function fixed(name: string, clickhouseType: string, values: NodeJS.TypedArray, rows: number): NamedBlockColumn {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, column: { clickhouseType, length: rows, encode: (parts) => void parts.push(bytes) } };
}
