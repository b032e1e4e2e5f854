/** A transaction in progress: its messages in a file, and which of its subtransactions were rolled back. */
import { AppError } from '../model/errors.ts';
import type { ChangeSink, TransactionStart } from './changes.ts';
import type { Lsn } from '../model/lsn.ts';
import { PgOutputDecoder } from './pgoutput.ts';
import type { ReplayOptions } from './replay.ts';
import type { SpoolFile } from './spool-file.ts';
import { completeEnd, RECORD_HEADER, RecordReader, sizeAt } from './spool-record.ts';

/** Bytes read at a time, and decoded without a pause for anything else. */
const CHUNK_BYTES = 512 * 1024;

/** Made by the spool. */
export class SpooledTransaction {
  readonly file: SpoolFile;
  /**
   * Subtransactions that were rolled back after some of their changes had been sent. What is rolled back before is
   * never sent, so these are few.
   */
  readonly #aborted = new Set<number>();

  constructor(file: SpoolFile) {
    this.file = file;
  }

  /** The changes of this subtransaction are void. */
  abort(subXid: number): void {
    this.#aborted.add(subXid);
  }

  /**
   * Calls the sink as if the transaction were sent now, after its commit.
   *
   * @returns False when `goOn` has ended it; the sink then heard no commit.
   * @throws {AppError} `PROTOCOL`, `SPOOL_FAILED`; whatever the sink throws.
   */
  async replay(
    { transaction, endLsn }: { transaction: TransactionStart; endLsn: Lsn },
    sink: ChangeSink,
    options: ReplayOptions,
  ): Promise<boolean> {
    const { goOn, onPart } = options;
    const decoder = new PgOutputDecoder(sink);
    sink.begin(transaction);
    for await (const records of this.#chunks()) {
      if (!(await goOn())) return false;
      this.#decode(records, decoder);
      onPart();
    }
    if (!(await goOn())) return false;
    sink.commit(transaction.commitLsn, endLsn);
    return true;
  }

  #decode(records: Buffer, decoder: PgOutputDecoder): void {
    const record = new RecordReader();
    for (let at = 0; at < records.length; at = record.end) {
      record.open(records, at);
      if (!this.#aborted.has(record.xid)) decoder.decode(records, record.start, record.end, record.position);
    }
  }

  /** The file in runs of complete records; views, valid until the next. */
  async *#chunks(): AsyncGenerator<Buffer, void, void> {
    let buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    let have = 0;
    for (let position = 0; position < this.file.size;) {
      const bytesRead = await this.file.read(buffer, have, position);
      if (bytesRead === 0) throw new AppError('SPOOL_FAILED', 'a spooled transaction is shorter than it was written');
      position += bytesRead;
      have += bytesRead;
      const end = completeEnd(buffer, have);
      if (end > 0) yield buffer.subarray(0, end);
      else if (have === buffer.length) buffer = enlarged(buffer);
      buffer.copyWithin(0, end, have);
      have -= end;
    }
    if (have > 0) throw new AppError('INTERNAL', `a spooled transaction ends with ${have} bytes of a record`);
  }
}

/** A buffer that holds the whole record that `buffer` begins with, and what there is of it. */
function enlarged(buffer: Buffer): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafeSlow(Math.max(sizeAt(buffer, 0), RECORD_HEADER + CHUNK_BYTES));
  buffer.copy(larger);
  return larger;
}
