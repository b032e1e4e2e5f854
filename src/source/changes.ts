/**
 * What the stream says, as calls: the decoder walks the bytes of pgoutput and calls a sink, so that
 * no object is made per row. All byte ranges are views, valid only during the call.
 *
 * @see https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */
import type { Lsn } from '../model/lsn.ts';

/** A relation as pgoutput announces it, before its first change on a connection. */
export interface RelationMessage {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly replicaIdentity: 'd' | 'n' | 'f' | 'i';
  /** `isKey` marks the columns of the replica identity (all of them under FULL). */
  readonly columns: readonly { readonly name: string; readonly typeOid: number; readonly typeMod: number; readonly isKey: boolean }[];
}

/** A transaction, as Begin announces it. */
export interface TransactionStart {
  /** LSN of the commit record: known at Begin, as the server sends only committed transactions (protocol 1). */
  readonly commitLsn: Lsn;
  /** Commit time of the source's clock, µs since 1970-01-01 UTC. */
  readonly commitTimeUs: bigint;
  readonly xid: number;
}

/**
 * A tuple inside a message: `bytes[start]` is its column count (Int16), each column a kind byte
 * (`n` NULL, `u` unchanged TOAST, `t` text, `b` binary), and for `t`/`b` a length (Int32) and the value.
 * Walk it with `readTuple` of pgoutput.ts.
 */
export interface Tuple {
  readonly bytes: Buffer;
  readonly start: number;
}

/**
 * Receives the stream in commit order. `lsn` is the WAL position of the change's own record
 * (the header of its CopyData message); per key it never falls, see docs/decisions on versions.
 */
export interface ChangeSink {
  begin(transaction: TransactionStart): void;
  /** `endLsn`: the position behind the transaction, the one to confirm once it is durable. */
  commit(commitLsn: Lsn, endLsn: Lsn): void;
  relation(relation: RelationMessage): void;
  insert(relationOid: number, lsn: Lsn, bytes: Buffer, newTuple: number): void;
  /**
   * `oldTuple` is the offset of the old tuple, or −1 when none was sent. `oldKind`: `K` (only the columns of the
   * replica identity are sent, the others read as NULL and mean “not sent”), `O` (the whole row, replica
   * identity FULL), or null.
   */
  update(relationOid: number, lsn: Lsn, bytes: Buffer, tuples: { oldKind: 'K' | 'O' | null; oldTuple: number; newTuple: number }): void;
  delete(relationOid: number, lsn: Lsn, bytes: Buffer, tuple: { oldKind: 'K' | 'O'; oldTuple: number }): void;
  truncate(relationOids: readonly number[], lsn: Lsn): void;
}
