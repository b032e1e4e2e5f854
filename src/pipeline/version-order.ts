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
 * What is delivered again after a crash gets the same versions: they depend on the stream alone, and on the end
 * of the last transaction applied, which the checkpoint keeps.
 */
import type { Lsn } from '../model/lsn.ts';
import type { WalPosition } from '../source/changes.ts';

const WORD = 0x1_0000_0000;

/** Gives versions in the order of the stream. */
export class VersionOrder {
  /** The latest version; the object is reused, as its consumers copy the numbers out. */
  readonly #last: { hi: number; lo: number };
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

  /** Version of the change whose record is at `position`. A view, valid until the next call. */
  next({ hi, lo }: WalPosition): WalPosition {
    if (!this.#raise(hi, lo)) this.#increment();
    return this.#last;
  }

  /** False when the position is below the latest version. */
  #raise(hi: number, lo: number): boolean {
    const last = this.#last;
    if (hi < last.hi || (hi === last.hi && lo < last.lo)) return false;
    last.hi = hi;
    last.lo = lo;
    return true;
  }

  #increment(): void {
    const last = this.#last;
    if (last.hi > this.#commitHi || (last.hi === this.#commitHi && last.lo >= this.#commitLo)) return;
    last.lo += 1;
    if (last.lo < WORD) return;
    last.lo = 0;
    last.hi += 1;
  }
}
