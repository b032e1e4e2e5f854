/**
 * The version of each change: the WAL position of its record, raised where that would not be in commit order.
 *
 * Records of one key are mostly in the order of their commits, as a row stays locked until its transaction ends.
 * Not so an INSERT: it writes its row first and asks the unique indexes afterwards, so it may wait there, its
 * record written, until another transaction has deleted the row that has its key, and committed. By position
 * alone the older delete would win over the newer row.
 *
 * So no version is below the end of the transaction before. A change whose record lies below that gets the next
 * free number, at most the position of its own commit: from there on equal versions go by the order of insertion.
 * That is enough for a mirror, which keeps the last; a history keeps every state, so its changes may use the numbers
 * inside the commit record as well: where commits follow each other at once, there are no others.
 * What is delivered again after a crash gets the same versions: they depend on the stream alone, and on the end
 * of the last transaction applied, which the checkpoint keeps.
 */
import type { Lsn } from '../model/lsn.ts';
import type { WalPosition } from '../source/changes.ts';

const WORD = 0x1_0000_0000;
/**
 * Bytes of the shortest commit record, which no other record of the log begins in: header, data header, `xl_xact_commit`.
 *
 * @see https://github.com/postgres/postgres/blob/master/src/include/access/xlogrecord.h
 */
const COMMIT_RECORD_BYTES = 24 + 2 + 8;

/** Gives versions in the order of the stream. */
export class VersionOrder {
  /** The latest version; the object is reused, as its consumers copy the numbers out. */
  readonly #last: { hi: number; lo: number };
  /** The latest version is no position of a record, but the next free number. */
  #isGiven = false;
  #commitHi = 0;
  #commitLo = 0;

  /** @param commitLsn End of the last transaction that is in the copy. */
  constructor(commitLsn: Lsn) {
    this.#last = { hi: Number(commitLsn >> 32n), lo: Number(commitLsn & 0xffffffffn) };
  }

  /** A transaction begins whose commit record is at `commitLsn`. */
  begin(commitLsn: Lsn): void {
    this.#commitHi = Number(commitLsn >> 32n);
    this.#commitLo = Number(commitLsn & 0xffffffffn);
  }

  /** The transaction ended: whatever follows is newer. */
  commit(endLsn: Lsn): void {
    this.#raise(Number(endLsn >> 32n), Number(endLsn & 0xffffffffn));
  }

  /**
   * Version of the change whose record is at `position`. A view, valid until the next call.
   *
   * @param isKept Whether every state of the row is kept, so that its version should be its own.
   */
  next({ hi, lo }: WalPosition, isKept = false): WalPosition {
    const isTaken = isKept && this.#isGiven && hi === this.#last.hi && lo === this.#last.lo;
    if (isTaken || !this.#raise(hi, lo)) this.#increment(isKept ? COMMIT_RECORD_BYTES - 1 : 0);
    return this.#last;
  }

  /** False when the position is below the latest version. */
  #raise(hi: number, lo: number): boolean {
    const last = this.#last;
    if (hi < last.hi || (hi === last.hi && lo < last.lo)) return false;
    last.hi = hi;
    last.lo = lo;
    this.#isGiven = false;
    return true;
  }

  /** @param beyond How far numbers may go above the position of the commit. */
  #increment(beyond: number): void {
    const last = this.#last;
    const left = (this.#commitHi - last.hi) * WORD + this.#commitLo + beyond - last.lo;
    if (left <= 0) return;
    this.#isGiven = true;
    last.lo += 1;
    if (last.lo < WORD) return;
    last.lo = 0;
    last.hi += 1;
  }
}
