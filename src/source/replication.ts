/**
 * A query of pg whose answer is a stream of CopyData: START_REPLICATION and COPY … TO STDOUT.
 *
 * It takes pg's own handler off the socket while it runs, frames the bytes itself, and hands every frame
 * that is not CopyData back to pg: errors, notices, ReadyForQuery. So pg keeps TLS, passwords and
 * the state of the session, and no object is made per row (pg alone: one message object and one event each).
 * The handler is swapped before the statement is sent: data may follow its first answer in the same read.
 */
import type { Duplex } from 'node:stream';
import { asAppError } from '../model/errors.ts';
import { FrameSplitter, type FrameHandler } from './frames.ts';

const COPY_BOTH_RESPONSE = 0x57; // W
const COPY_OUT_RESPONSE = 0x48; // H
const READY_FOR_QUERY = 0x5a; // Z

/** Who receives the answer. All ranges are views, valid only during the call. */
export interface CopyHandler {
  /** The server began to stream. */
  onStart?(): void;
  /** `bytes[start, end)`: complete CopyData frames, headers included, as many as the read allows. */
  onFrames(bytes: Buffer, start: number, end: number): void;
  /** A read of `byteLength` bytes has been handled to its end. */
  onReadEnd?(byteLength: number): void;
}

/** The part of pg's connection that is used here. */
interface Connection {
  readonly stream: Duplex;
  query(sql: string): void;
}

type DataListener = (chunk: Buffer) => void;

/** Submit it with `client.query(query)`, then await {@link done}. */
export class ReplicationQuery implements FrameHandler {
  /** Settles when pg is ready for the next query, or on the first error (of the server, the connection, the handler). */
  readonly done: Promise<void>;
  readonly #sql: string;
  readonly #handler: CopyHandler;
  readonly #splitter = new FrameSplitter(this);
  readonly #onData: DataListener = (chunk) => this.#read(chunk);
  #stream: Duplex | null = null;
  #pgListener: DataListener | null = null;
  #holds = 0;
  #isOver = false;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;

  constructor(sql: string, handler: CopyHandler) {
    this.#sql = sql;
    this.#handler = handler;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /**
   * Stops reading from the socket until {@link release} is called with the same flag. What was read already is
   * still delivered (at most a socket buffer).
   *
   * @param flag One bit per reason to hold; the socket flows when no bit is left.
   */
  hold(flag: number): void {
    this.#holds |= flag;
    this.#stream?.pause();
  }

  /** Takes back one {@link hold}. */
  release(flag: number): void {
    this.#holds &= ~flag;
    if (this.#holds === 0) this.#stream?.resume();
  }

  /** Sends a complete frame, false when the connection is gone. */
  send(frame: Buffer): boolean {
    if (this.#stream === null || !this.#stream.writable) return false;
    this.#stream.write(frame);
    return true;
  }

  /** Ends the query with `error` and drops the connection; without effect when it is over. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stream?.destroy();
    this.#reject(error);
  }

  // What follows is called by the splitter.

  onFrames(bytes: Buffer, start: number, end: number): void {
    if (!this.#isOver) this.#handler.onFrames(bytes, start, end);
  }

  onOther(bytes: Buffer, start: number, end: number): boolean {
    const kind = bytes[start];
    const isLast = kind === READY_FOR_QUERY;
    if (isLast) this.#detach();
    this.#pgListener?.(bytes.subarray(start, end));
    if (kind === COPY_BOTH_RESPONSE || kind === COPY_OUT_RESPONSE) this.#handler.onStart?.();
    return !isLast;
  }

  #read(chunk: Buffer): void {
    try {
      const taken = this.#splitter.push(chunk);
      if (taken < chunk.length) this.#pgListener?.(chunk.subarray(taken));
      if (!this.#isOver) this.#handler.onReadEnd?.(chunk.length);
    } catch (error) {
      this.fail(asAppError(error, 'INTERNAL', 'cannot handle what PostgreSQL sent'));
    }
  }

  /** Gives the socket back to pg, flowing; from now on it is none of our business. */
  #detach(): void {
    const stream = this.#stream!;
    this.#stream = null;
    stream.removeListener('data', this.#onData);
    stream.on('data', this.#pgListener!);
    stream.resume();
  }

  // What follows is called by pg.

  /** Returns an error instead of throwing it: pg passes it to {@link handleError}. */
  submit(connection: unknown): Error | undefined {
    const { stream } = connection as Connection;
    const [listener, ...others] = stream.listeners('data') as DataListener[];
    if (listener === undefined || others.length > 0) return new Error('expected one data listener of pg on the socket');
    this.#stream = stream;
    this.#pgListener = listener;
    stream.removeListener('data', listener);
    stream.on('data', this.#onData);
    (connection as Connection).query(this.#sql);
    if (this.#holds !== 0) stream.pause();
    return undefined;
  }

  handleError(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reject(error);
  }

  handleReadyForQuery(): void {
    this.#isOver = true;
    this.#resolve();
  }

  handleCommandComplete(): void {}
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}
}
