/**
 * What the stream says, as calls: the decoder walks the bytes of pgoutput and calls a sink, so that
 * no object is made per row. All byte ranges and all arguments of the row calls are views, valid
 * only during the call: copy the numbers out.
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
  readonly columns: readonly RelationColumn[];
}

/** A column of a {@link RelationMessage}: no attnum, no default, no NOT NULL; those are in the catalogue. */
export interface RelationColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typeMod: number;
  readonly isKey: boolean;
}

/** A transaction, as Begin announces it. */
export interface TransactionStart {
  /** LSN of the commit record: a sink hears of committed transactions only. */
  readonly commitLsn: Lsn;
  /** Commit time of the source's clock, µs since 1970-01-01 UTC. */
  readonly commitTimeUs: bigint;
  readonly xid: number;
}

/**
 * The WAL position of a change's own record, as two unsigned 32-bit halves: `hi * 2³² + lo`.
 * One object is reused for all changes. Not a bigint, as that costs 55–80 ns and garbage per row
 * where the halves cost 5 ns; a `UInt64` column takes them as two words of a `Uint32Array`.
 */
export interface WalPosition {
  readonly hi: number;
  readonly lo: number;
}

/**
 * The tuples of an update or delete, as offsets into the message; one object is reused for all changes.
 * An offset points at the tuple's column count (Int16), each column follows as a kind byte (`n` NULL,
 * `u` unchanged TOAST, `t` text, `b` binary), and for `t` and `b` a length (Int32) and the value.
 * Walk it with `TupleReader` of tuple.ts; the decoder has checked that it lies within its message.
 */
export interface UpdateTuples {
  /**
   * `K`: only the columns of the replica identity are sent, the others read as NULL and mean “not sent”.
   * `O`: the whole row (replica identity FULL). null: no old tuple.
   */
  readonly oldKind: 'K' | 'O' | null;
  /** Offset of the old tuple, or −1 when none was sent. */
  readonly oldTuple: number;
  readonly newTuple: number;
}

/** The old tuple of a delete, see {@link UpdateTuples}. */
export interface DeleteTuple {
  readonly oldKind: 'K' | 'O';
  readonly oldTuple: number;
}

/** A message that somebody wrote into the WAL with `pg_logical_emit_message`. */
export interface LogicalMessage {
  /** False: it arrives at once, outside of any transaction. */
  readonly transactional: boolean;
  readonly lsn: Lsn;
  readonly prefix: string;
  /** A copy, safe to keep. */
  readonly content: Buffer;
}

/**
 * Receives the stream in commit order. Within a transaction the calls come in the order of the
 * statements; `position` falls between transactions that overlapped, and may repeat (one WAL record
 * can carry many rows). Whatever a method throws ends the stream with that error.
 */
export interface ChangeSink {
  begin(transaction: TransactionStart): void;
  /** `endLsn`: the position behind the transaction, the one to confirm once it is durable. */
  commit(commitLsn: Lsn, endLsn: Lsn): void;
  relation(relation: RelationMessage): void;
  insert(relationOid: number, position: WalPosition, bytes: Buffer, newTuple: number): void;
  update(relationOid: number, position: WalPosition, bytes: Buffer, tuples: UpdateTuples): void;
  delete(relationOid: number, position: WalPosition, bytes: Buffer, tuple: DeleteTuple): void;
  truncate(relationOids: readonly number[], position: WalPosition): void;
  /** Only called when the stream was opened with `messages`. */
  message?(message: LogicalMessage): void;
}

/** Takes messages of pgoutput as they come: a decoder, or somebody who keeps them for one. */
export interface MessageConsumer {
  /** True between Begin and Commit. */
  readonly inTransaction: boolean;
  /** Takes the message `bytes[start, end)`, whose WAL record lies at `position`; views, valid only during the call. */
  decode(bytes: Buffer, start: number, end: number, position: WalPosition): void;
}

/**
 * A message of a transaction that is still in progress. One object is reused for all; the bytes are a view,
 * valid only during the call.
 */
export interface InProgressMessage {
  /** The subtransaction that made the change, or the transaction itself. */
  readonly xid: number;
  /** Kind byte: a change, a relation or a logical message. */
  readonly kind: number;
  /** `kind` and `bytes[start, end)` together are the message as it is sent for a committed transaction; not yet checked. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/**
 * Receives what the server sends of large transactions before they commit: runs of messages, each run of one
 * transaction, runs of several in any order. Runs do not lie inside a committed transaction.
 */
export interface InProgressSink {
  /** A run begins; `isFirst`: the first of the transaction `xid`. */
  streamStart(xid: number, isFirst: boolean): void;
  streamMessage(message: InProgressMessage, position: WalPosition): void;
  streamStop(): void;
  /** The transaction has committed: its place in the order of commits is here. `endLsn` as in {@link ChangeSink.commit}. */
  streamCommit(transaction: TransactionStart, endLsn: Lsn): void;
  /** The transaction (`subXid` = `xid`) or one of its subtransactions was rolled back; nested ones are told one by one. Also told of transactions never heard of. */
  streamAbort(xid: number, subXid: number): void;
}
