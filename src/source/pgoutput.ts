/**
 * Decoder of pgoutput, protocol versions 1 and 2: bytes in, calls of a {@link ChangeSink} out.
 *
 * Every message is checked to its last byte before the sink hears of it, so whoever reads the tuples
 * needs no checks. Messages of transactions in progress (version 2) go to an {@link InProgressSink} as they are:
 * of these only kind and xid are read, the rest is checked when it is decoded after the commit.
 * Messages of later versions (prepared transactions) are refused.
 *
 * @see https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */
import type { Lsn } from '../model/lsn.ts';
import type { ChangeSink, InProgressSink, RelationMessage, WalPosition } from './changes.ts';
import { Cursor, protocolError } from './cursor.ts';
import { checkTuple } from './tuple.ts';

/** µs from 1970-01-01 to 2000-01-01, where PostgreSQL's time begins. */
const EPOCH_2000_US = 946_684_800_000_000n;

const BEGIN = 0x42; // B
const COMMIT = 0x43; // C
const DELETE = 0x44; // D
const INSERT = 0x49; // I
const LOGICAL_MESSAGE = 0x4d; // M
const ORIGIN = 0x4f; // O
const RELATION = 0x52; // R
const TRUNCATE = 0x54; // T
const TYPE = 0x59; // Y
const UPDATE = 0x55; // U

const STREAM_ABORT = 0x41; // A
const STREAM_COMMIT = 0x63; // c
const STREAM_START = 0x53; // S
const STREAM_STOP = 0x45; // E

const KEY_TUPLE = 0x4b; // K
const NEW_TUPLE = 0x4e; // N
const OLD_TUPLE = 0x4f; // O

/** Decodes the messages of one connection. Keeps one cursor and one view of tuples for all of them. */
export class PgOutputDecoder {
  readonly #sink: ChangeSink;
  readonly #cursor = new Cursor();
  readonly #tuples: { oldKind: 'K' | 'O' | null; oldTuple: number; newTuple: number } = {
    oldKind: null,
    oldTuple: -1,
    newTuple: -1,
  };
  readonly #inProgress: InProgressSink | null;
  readonly #streamed = { xid: 0, kind: 0, bytes: this.#cursor.bytes, start: 0, end: 0 };
  #inTransaction = false;
  /** Between Stream Start and Stream Stop: there every change has an xid in front. */
  #inRun = false;

  /** Without `inProgress`, messages of transactions in progress are refused. */
  constructor(sink: ChangeSink, inProgress: InProgressSink | null = null) {
    this.#sink = sink;
    this.#inProgress = inProgress;
  }

  /** True between Begin and Commit. */
  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  /**
   * Decodes the message `bytes[start, end)`, whose WAL record lies at `position`.
   *
   * @throws {AppError} `PROTOCOL` when the message is malformed or of an unknown kind; whatever the sink throws.
   */
  decode(bytes: Buffer, start: number, end: number, position: WalPosition): void {
    const cursor = this.#cursor;
    cursor.open(bytes, start, end);
    const kind = cursor.u8();
    if (this.#inRun) return this.#ofRun(kind, cursor, position);
    switch (kind) {
      case INSERT:
        return this.#insert(cursor, position);
      case UPDATE:
        return this.#update(cursor, position);
      case DELETE:
        return this.#delete(cursor, position);
      case BEGIN:
        return this.#begin(cursor);
      case COMMIT:
        return this.#commit(cursor);
      default:
        return this.#decodeRare(kind, cursor, position);
    }
  }

  #decodeRare(kind: number, cursor: Cursor, position: WalPosition): void {
    switch (kind) {
      case RELATION:
        return this.#relation(cursor);
      case TRUNCATE:
        return this.#truncate(cursor, position);
      case LOGICAL_MESSAGE:
        return this.#logicalMessage(cursor);
      case TYPE:
        return skipType(cursor);
      case ORIGIN:
        return skipOrigin(cursor);
      case STREAM_ABORT:
        return this.#streamAbort(cursor);
      default:
        if (this.#inProgress === null || this.#inTransaction) throw unexpected(kind);
        return this.#betweenRuns(kind, cursor, this.#inProgress);
    }
  }

  /**
   * PostgreSQL 18 sends it also where nothing was streamed, even by protocol 1: for a large transaction that it finds
   * rolled back when it is about to spill it.
   */
  #streamAbort(cursor: Cursor): void {
    const xid = cursor.u32();
    const subXid = cursor.u32();
    cursor.finish();
    this.#inProgress?.streamAbort(xid, subXid);
  }

  #betweenRuns(kind: number, cursor: Cursor, sink: InProgressSink): void {
    switch (kind) {
      case STREAM_START: {
        const xid = cursor.u32();
        const isFirst = cursor.u8() === 1;
        cursor.finish();
        this.#inRun = true;
        return sink.streamStart(xid, isFirst);
      }
      case STREAM_COMMIT: {
        const xid = cursor.u32();
        const { commitLsn, endLsn, commitTimeUs } = readCommit(cursor);
        return sink.streamCommit({ commitLsn, commitTimeUs, xid }, endLsn);
      }
      default:
        throw unexpected(kind);
    }
  }

  /** A message between Stream Start and Stream Stop. */
  #ofRun(kind: number, cursor: Cursor, position: WalPosition): void {
    switch (kind) {
      case INSERT:
      case UPDATE:
      case DELETE:
      case TRUNCATE:
      case RELATION:
      case LOGICAL_MESSAGE: {
        const message = this.#streamed;
        message.kind = kind;
        message.xid = cursor.u32();
        message.bytes = cursor.bytes;
        message.start = cursor.offset;
        message.end = cursor.end;
        return this.#inProgress!.streamMessage(message, position);
      }
      case STREAM_STOP:
        cursor.finish();
        this.#inRun = false;
        return this.#inProgress!.streamStop();
      case TYPE:
        cursor.u32(); // the xid
        return skipType(cursor);
      case ORIGIN: // the only one without an xid
        return skipOrigin(cursor);
      default:
        throw unexpected(kind);
    }
  }

  #begin(cursor: Cursor): void {
    const commitLsn = cursor.u64();
    const commitTimeUs = cursor.i64() + EPOCH_2000_US;
    const xid = cursor.u32();
    cursor.finish();
    this.#inTransaction = true;
    this.#sink.begin({ commitLsn, commitTimeUs, xid });
  }

  #commit(cursor: Cursor): void {
    const { commitLsn, endLsn } = readCommit(cursor);
    this.#inTransaction = false;
    this.#sink.commit(commitLsn, endLsn);
  }

  #insert(cursor: Cursor, position: WalPosition): void {
    const relationOid = cursor.u32();
    const tuple = newTuple(cursor, cursor.u8());
    this.#sink.insert(relationOid, position, cursor.bytes, tuple);
  }

  #update(cursor: Cursor, position: WalPosition): void {
    const relationOid = cursor.u32();
    const tuples = this.#tuples;
    let kind = cursor.u8();
    tuples.oldKind = kind === KEY_TUPLE ? 'K' : kind === OLD_TUPLE ? 'O' : null;
    tuples.oldTuple = -1;
    if (tuples.oldKind !== null) {
      tuples.oldTuple = checkTuple(cursor);
      kind = cursor.u8();
    }
    tuples.newTuple = newTuple(cursor, kind);
    this.#sink.update(relationOid, position, cursor.bytes, tuples);
  }

  #delete(cursor: Cursor, position: WalPosition): void {
    const relationOid = cursor.u32();
    const kind = cursor.u8();
    if (kind !== KEY_TUPLE && kind !== OLD_TUPLE) throw protocolError(`a delete with a tuple of kind ${kind}`);
    const tuples = this.#tuples;
    tuples.oldKind = kind === KEY_TUPLE ? 'K' : 'O';
    tuples.oldTuple = checkTuple(cursor);
    tuples.newTuple = -1;
    cursor.finish();
    this.#sink.delete(relationOid, position, cursor.bytes, tuples as { oldKind: 'K' | 'O'; oldTuple: number });
  }

  #truncate(cursor: Cursor, position: WalPosition): void {
    const count = cursor.i32();
    cursor.u8(); // CASCADE and RESTART IDENTITY: the relations are all listed
    const oids: number[] = [];
    for (let index = 0; index < count; index += 1) oids.push(cursor.u32());
    cursor.finish();
    this.#sink.truncate(oids, position);
  }

  #relation(cursor: Cursor): void {
    const relation = readRelation(cursor);
    cursor.finish();
    this.#sink.relation(relation);
  }

  #logicalMessage(cursor: Cursor): void {
    const transactional = (cursor.u8() & 1) === 1;
    const lsn = cursor.u64();
    const prefix = cursor.text();
    const length = cursor.i32();
    const start = cursor.skip(length);
    cursor.finish();
    const content = Buffer.from(cursor.bytes.subarray(start, start + length));
    this.#sink.message?.({ transactional, lsn, prefix, content });
  }
}

function unexpected(kind: number): Error {
  return protocolError(`kind ${kind} is not known, or not expected here`);
}

/** What Commit and Stream Commit end with. */
function readCommit(cursor: Cursor): { commitLsn: Lsn; endLsn: Lsn; commitTimeUs: bigint } {
  cursor.u8(); // flags, none defined
  const commitLsn = cursor.u64();
  const endLsn = cursor.u64();
  const commitTimeUs = cursor.i64() + EPOCH_2000_US;
  cursor.finish();
  return { commitLsn, endLsn, commitTimeUs };
}

/** The new tuple, the last part of an insert or update. */
function newTuple(cursor: Cursor, kind: number): number {
  if (kind !== NEW_TUPLE) throw protocolError(`a tuple of kind ${kind} in place of the new one`);
  const tuple = checkTuple(cursor);
  cursor.finish();
  return tuple;
}

function readRelation(cursor: Cursor): RelationMessage {
  const oid = cursor.u32();
  const schema = cursor.text() || 'pg_catalog'; // sent as an empty string
  const name = cursor.text();
  const replicaIdentity = readReplicaIdentity(cursor);
  const count = cursor.i16();
  if (count < 0) throw protocolError(`a relation of ${count} columns`);
  const columns = [];
  for (let index = 0; index < count; index += 1) {
    const isKey = (cursor.u8() & 1) === 1;
    columns.push({ isKey, name: cursor.text(), typeOid: cursor.u32(), typeMod: cursor.i32() });
  }
  return { oid, schema, name, replicaIdentity, columns };
}

function readReplicaIdentity(cursor: Cursor): RelationMessage['replicaIdentity'] {
  const letter = String.fromCharCode(cursor.u8());
  if (letter === 'd' || letter === 'n' || letter === 'f' || letter === 'i') return letter;
  throw protocolError(`replica identity “${letter}”`);
}

/** Type announces the name of a type that is not built in; the catalogue tells it as well. */
function skipType(cursor: Cursor): void {
  cursor.u32();
  cursor.text();
  cursor.text();
  cursor.finish();
}

/** Origin tells where a transaction came from that was itself replicated into the source. */
function skipOrigin(cursor: Cursor): void {
  cursor.u64();
  cursor.text();
  cursor.finish();
}
