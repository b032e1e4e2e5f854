/**
 * Holds the changes of large transactions on disk until they commit. The server sends them while they are in
 * progress (pgoutput's protocol 2) and forgets them; the copy must not see them before.
 *
 * What is here is as good as lost when the process ends: nothing of it was confirmed, the server sends it again.
 */
import { mkdirSync } from 'node:fs';
import { AppError } from '../model/errors.ts';
import type { InProgressMessage, InProgressSink, TransactionStart, WalPosition } from './changes.ts';
import type { Lsn } from '../model/lsn.ts';
import { protocolError } from './cursor.ts';
import { SpoolFile, spoolError } from './spool-file.ts';
import { recordSize, writeRecordHead } from './spool-record.ts';
import { SpooledTransaction } from './spooled-transaction.ts';

/** Bytes gathered before they are written; one buffer for all transactions, as they take turns. */
const BUFFER_BYTES = 512 * 1024;

/** Where the spool lies. */
export interface SpoolOptions {
  /** Made, for this user alone, when it is not there. The files in it have no names. */
  readonly directory: string;
  /** The most bytes that all transactions in progress may take together. */
  readonly maxBytes: number;
}

/** What happens at a commit: the transaction is the caller's from then on, who closes its file. */
export type OnCommit = (spooled: SpooledTransaction, transaction: TransactionStart, endLsn: Lsn) => void;

/** The transactions in progress of one stream. */
export class Spool implements InProgressSink {
  readonly #options: SpoolOptions;
  readonly #onCommit: OnCommit;
  readonly #transactions = new Map<number, SpooledTransaction>();
  #buffer: Buffer | null = null;
  #used = 0;
  /** The transaction of the present run. */
  #current: SpooledTransaction | null = null;

  /** @throws {AppError} `SPOOL_FAILED` when no file can be made there: now, and not at the first large transaction. */
  constructor(options: SpoolOptions, onCommit: OnCommit) {
    this.#options = options;
    this.#onCommit = onCommit;
    try {
      mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw spoolError(error, `the spool directory ${options.directory} cannot be made`);
    }
    new SpoolFile(options.directory).close();
  }

  /** Bytes on disk now. */
  get byteLength(): number {
    let bytes = 0;
    for (const { file } of this.#transactions.values()) bytes += file.size;
    return bytes;
  }

  streamStart(xid: number, isFirst: boolean): void {
    let transaction = this.#transactions.get(xid);
    if ((transaction === undefined) !== isFirst) throw protocolError(`a run of transaction ${xid} out of turn`);
    if (transaction === undefined) {
      transaction = new SpooledTransaction(new SpoolFile(this.#options.directory));
      this.#transactions.set(xid, transaction);
    }
    this.#current = transaction;
  }

  streamMessage(message: InProgressMessage, position: WalPosition): void {
    this.#buffer ??= Buffer.allocUnsafeSlow(BUFFER_BYTES);
    const size = recordSize(message);
    if (this.#used + size > BUFFER_BYTES) this.#flush();
    const at = writeRecordHead(message, position, this.#buffer, this.#used);
    if (size <= BUFFER_BYTES) {
      message.bytes.copy(this.#buffer, at, message.start, message.end);
      this.#used += size;
      return;
    }
    this.#used = at;
    this.#flush();
    this.#append(message.bytes, message.start, message.end);
  }

  streamStop(): void {
    this.#flush();
    this.#current = null;
  }

  streamCommit(transaction: TransactionStart, endLsn: Lsn): void {
    const spooled = this.#transactions.get(transaction.xid);
    if (spooled === undefined) throw protocolError(`the commit of transaction ${transaction.xid}, never begun`);
    this.#transactions.delete(transaction.xid);
    this.#onCommit(spooled, transaction, endLsn);
  }

  streamAbort(xid: number, subXid: number): void {
    const transaction = this.#transactions.get(xid);
    if (transaction === undefined) return; // PostgreSQL 18 tells also what it has never sent.
    if (xid !== subXid) return transaction.abort(subXid);
    this.#transactions.delete(xid);
    transaction.file.close();
  }

  /** Drops everything. */
  close(): void {
    for (const { file } of this.#transactions.values()) file.close();
    this.#transactions.clear();
  }

  #flush(): void {
    const used = this.#used;
    this.#used = 0;
    if (used > 0) this.#append(this.#buffer!, 0, used);
  }

  #append(bytes: Buffer, start: number, end: number): void {
    const { maxBytes } = this.#options;
    if (this.byteLength + end - start > maxBytes) {
      const count = this.#transactions.size;
      throw new AppError(
        'SPOOL_FULL',
        `${count} transactions in progress need more than the spool's ${maxBytes} bytes`,
      );
    }
    this.#current!.file.append(bytes, start, end);
  }
}
