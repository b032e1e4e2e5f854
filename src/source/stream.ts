/**
 * The replication stream: START_REPLICATION on a slot, decoded into calls of a {@link ChangeSink}.
 *
 * What it promises: it confirms exactly what {@link ReplicationStream.confirm} was told and nothing else;
 * it answers the server also while paused, so that backpressure never costs the connection. Transactions that the
 * server sends before they commit are spooled (spool.ts) and replayed at their commits (replay.ts), in one order with the others.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { AppError, asAppError } from '../model/errors.ts';
import { formatLsn, type Lsn } from '../model/lsn.ts';
import { pgIdent } from '../model/quote.ts';
import type { ChangeSink, MessageConsumer } from './changes.ts';
import { connectPostgres, endConnection, pgRows, postgresError } from './connection.ts';
import { protocolError } from './cursor.ts';
import { FRAME_HEADER, frameSize } from './frames.ts';
import { PgOutputDecoder } from './pgoutput.ts';
import { ReadGathering } from './read-gathering.ts';
import { Replay, type Replayable } from './replay.ts';
import { advance, readPosition, toLsn } from './wal-position.ts';
import { ReplicationQuery, type CopyHandler } from './replication.ts';
import { Spool, type SpoolOptions } from './spool.ts';
import {
  KEEPALIVE,
  KEEPALIVE_BYTES,
  XLOG_DATA,
  XLOG_DATA_HEADER,
  encodeCopyDone,
  encodeStandbyStatus,
} from './standby-status.ts';

/** How to open a stream. */
export interface StreamOptions {
  readonly url: string;
  readonly slot: string;
  readonly publication: string;
  /** Where to begin; the server begins at the slot's confirmed position when that is later. 0: there. */
  readonly startLsn: Lsn;
  /** Values in binary form where the type has one (the tuple's kind bytes tell). Needs PostgreSQL 14. */
  readonly binary?: boolean;
  /** Also deliver messages of `pg_logical_emit_message`. Needs PostgreSQL 14. */
  readonly messages?: boolean;
  /**
   * Lets the server send large transactions while they are in progress, and spools them there: it need not spill them
   * itself, and the commit finds them here. Needs PostgreSQL 14. Without it (or null) they are sent after their commits.
   */
  readonly streaming?: SpoolOptions | null;
  /** Who hears of the changes: decoded, or message by message as they are. */
  readonly sink: ChangeSink | MessageConsumer;
  /** Delivered to the sink before anything that the server sends. */
  readonly first?: Replayable;
  /**
   * The server has sent everything before `lsn` and no transaction is half delivered: when nothing is pending,
   * `lsn` may be confirmed. It may lie inside the next transaction, so it is no reason to skip anything. Never falls.
   */
  readonly onIdlePosition?: (lsn: Lsn) => void;
  /** A read of the socket has been decoded to its end: a good moment to decide about flushing. */
  readonly onReadEnd?: () => void;
  /** Closes the stream when aborted. */
  readonly signal?: AbortSignal;
}

const HOLD_CONSUMER = 1;
const HOLD_GATHERING = 2;
const HOLD_REPLAY = 4;
/** The longest time between two status messages, ms; also what `wal_sender_timeout = 0` gets. */
const MAX_STATUS_INTERVAL_MS = 10_000;
/** How long {@link ReplicationStream.close} waits for the end of the stream, ms. */
const GOODBYE_MS = 400;

/**
 * Opens a stream and waits until the server has accepted it.
 *
 * @throws {AppError} `SLOT_BUSY`, `SLOT_LOST`, `POSTGRES_UNREACHABLE`, `POSTGRES_AUTH`, `POSTGRES_FAILED`, `SPOOL_FAILED`.
 */
export async function openStream(options: StreamOptions): Promise<ReplicationStream> {
  const { signal } = options;
  signal?.throwIfAborted();
  // Until it runs, the connection is dropped at a stop; from then on the stream is closed in order.
  const opening = new AbortController();
  const onAbort = (): void => opening.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await startStream(options, opening.signal);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

async function startStream(options: StreamOptions, signal: AbortSignal): Promise<ReplicationStream> {
  const purpose = { replication: true, applicationName: 'millrace stream', signal };
  const client = await connectPostgres(options.url, purpose);
  try {
    const [row] = await pgRows(client, "SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout'");
    signal.throwIfAborted();
    const stream = new ReplicationStream(client, options, Number(row!['setting']));
    await stream.started;
    return stream;
  } catch (error) {
    await endConnection(client);
    signal.throwIfAborted();
    throw error;
  }
}

/** A running stream; made by {@link openStream}. */
export class ReplicationStream implements CopyHandler {
  /** Settles when the server has accepted the stream. */
  readonly started: Promise<void>;
  /** Resolves when the stream has ended, never rejects: `null` after {@link close}, else the reason. */
  readonly closed: Promise<AppError | null>;
  readonly #client: pg.Client;
  readonly #options: StreamOptions;
  readonly #query: ReplicationQuery;
  readonly #decoder: MessageConsumer;
  readonly #spool: Spool | null;
  readonly #replay: Replay;
  readonly #gathering: ReadGathering | null;
  readonly #timeoutMs: number;
  readonly #intervalMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #position = { hi: 0, lo: 0 };
  readonly #walEnd = { hi: 0, lo: 0 };
  /** What keep-alives tell, never backwards: the first may tell the slot's position, the next the older one of its reader. */
  readonly #sent = { hi: 0, lo: 0 };
  #confirmed: Lsn = 0n;
  #isHeld = false;
  #isClosing = false;
  #hasStarted = false;
  #readStartedAt = 0;
  /** Status messages that asked for a reply since the server was last heard. */
  #unanswered = 0;
  #markStarted!: () => void;

  constructor(client: pg.Client, options: StreamOptions, walSenderTimeoutMs: number) {
    this.#client = client;
    this.#options = options;
    this.#timeoutMs = walSenderTimeoutMs;
    this.#intervalMs = statusInterval(walSenderTimeoutMs);
    this.#replay = new Replay({
      onPart: () => options.onReadEnd?.(),
      onFrames: (bytes, start, end) => this.#decodeFrames(bytes, start, end),
      onDone: () => this.#afterReplay(),
      onError: (error) => this.#query.fail(asAppError(error, 'INTERNAL', 'cannot replay what was kept on disk')),
    });
    const { sink } = options;
    if ('decode' in sink) {
      this.#spool = null;
      this.#decoder = sink;
    } else {
      this.#spool = this.#openSpool(sink);
      this.#decoder = new PgOutputDecoder(sink, this.#spool);
    }
    this.#query = new ReplicationQuery(startStatement(options), this);
    const isUnixSocket = client.host.startsWith('/');
    this.#gathering = isUnixSocket
      ? null
      : new ReadGathering(
          () => this.#query.hold(HOLD_GATHERING),
          () => this.#query.release(HOLD_GATHERING),
        );
    this.#timer = setInterval(() => this.#tick(), this.#intervalMs);
    const accepted = new Promise<void>((resolve) => {
      this.#markStarted = resolve;
    });
    this.closed = this.#run();
    this.started = Promise.race([accepted, this.closed.then((reason) => Promise.reject(reason ?? cancelled()))]);
  }

  #openSpool(sink: ChangeSink): Spool | null {
    const { streaming } = this.#options;
    if (!streaming) return null;
    return new Spool(streaming, (spooled, transaction, endLsn) => {
      this.#beginReplay({
        replay: (options) => spooled.replay({ transaction, endLsn }, sink, options),
        close: () => spooled.file.close(),
      });
    });
  }

  #beginReplay(what: Replayable): void {
    this.#query.hold(HOLD_REPLAY);
    this.#replay.begin(what);
  }

  /** The position up to which the server has told what it has: of the latest change or keep-alive. */
  get walEnd(): Lsn {
    return toLsn(this.#walEnd);
  }

  /** The position confirmed last; 0 before the first {@link confirm}. */
  get confirmed(): Lsn {
    return this.#confirmed;
  }

  /**
   * Tells the server that everything before `lsn` is durable: it never sends it again and may drop its WAL.
   * A position below an earlier one is ignored.
   */
  confirm(lsn: Lsn): void {
    if (lsn <= this.#confirmed) return;
    this.#confirmed = lsn;
    this.#sendStatus(false);
  }

  /** Asks for a keep-alive at once, which arrives as {@link StreamOptions.onIdlePosition} behind all that was sent. */
  requestKeepalive(): void {
    this.#sendStatus(true);
  }

  /** Stops reading; what was read already is still delivered. The server is answered all the same. */
  pause(): void {
    this.#isHeld = true;
    this.#replay.pause();
    this.#query.hold(HOLD_CONSUMER);
  }

  /** Goes on reading. */
  resume(): void {
    this.#isHeld = false;
    this.#unanswered = 0;
    this.#replay.resume();
    this.#query.release(HOLD_CONSUMER);
  }

  /** Bytes on disk of transactions in progress. */
  get spooledBytes(): number {
    return this.#spool?.byteLength ?? 0;
  }

  /** True between {@link pause} and {@link resume}. */
  get isPaused(): boolean {
    return this.#isHeld;
  }

  /** Ends the stream within a second. Nothing reaches the sink afterwards; nothing more is confirmed. */
  async close(): Promise<void> {
    if (!this.#isClosing) {
      this.#isClosing = true;
      void this.#replay.stop();
      this.#query.send(encodeCopyDone());
      this.#query.release(HOLD_CONSUMER | HOLD_GATHERING | HOLD_REPLAY);
      const goodbye = new AbortController();
      const isDone = await Promise.race([
        this.closed.then(() => true),
        delay(GOODBYE_MS, false, { signal: goodbye.signal }).catch(() => true),
      ]);
      goodbye.abort();
      if (!isDone) this.#query.fail(cancelled());
    }
    await this.closed;
  }

  // What follows is called by the query.

  onStart(): void {
    this.#hasStarted = true;
    if (this.#options.first !== undefined) this.#beginReplay(this.#options.first);
    this.#markStarted();
  }

  onFrames(bytes: Buffer, start: number, end: number): void {
    if (this.#isClosing) return;
    this.#readStartedAt ||= performance.now();
    if (this.#replay.isRunning) this.#replay.wait(bytes, start, end, 'end');
    else this.#decodeFrames(bytes, start, end);
  }

  #decodeFrames(bytes: Buffer, start: number, end: number): void {
    let offset = start;
    while (offset < end && !this.#isClosing) {
      const next = offset + frameSize(bytes, offset);
      this.#onCopyData(bytes, offset + FRAME_HEADER, next);
      offset = next;
      if (this.#replay.isRunning) return this.#replay.wait(bytes, offset, end, 'front');
    }
  }

  /** The socket was not read meanwhile, so the server's silence means nothing. */
  #afterReplay(): void {
    this.#unanswered = 0;
    this.#query.release(HOLD_REPLAY);
  }

  onReadEnd(byteLength: number): void {
    this.#unanswered = 0;
    if (this.#isClosing) return;
    this.#options.onReadEnd?.();
    const endedAt = performance.now();
    this.#gathering?.onRead(byteLength, this.#readStartedAt || endedAt, endedAt);
    this.#readStartedAt = 0;
  }

  #onCopyData(bytes: Buffer, start: number, end: number): void {
    const kind = bytes[start];
    if (kind === XLOG_DATA && end - start > XLOG_DATA_HEADER) {
      readPosition(bytes, start + 1, this.#position);
      advance(this.#walEnd, this.#position);
      this.#decoder.decode(bytes, start + XLOG_DATA_HEADER, end, this.#position);
    } else if (kind === KEEPALIVE && end - start === KEEPALIVE_BYTES) {
      this.#onKeepalive(bytes, start);
    } else {
      throw protocolError(`CopyData of kind ${kind}, ${end - start} bytes`);
    }
  }

  #onKeepalive(bytes: Buffer, start: number): void {
    readPosition(bytes, start + 1, this.#position);
    advance(this.#walEnd, this.#position);
    advance(this.#sent, this.#position);
    if (!this.#decoder.inTransaction) this.#options.onIdlePosition?.(toLsn(this.#sent));
    if (bytes[start + KEEPALIVE_BYTES - 1] === 1) this.#sendStatus(false);
  }

  /** Reports in time for the server, and finds out when the server is gone although the connection stands. */
  #tick(): void {
    if (!this.#hasStarted || this.#isClosing) return;
    const hasWatchdog = this.#timeoutMs > 0 && !this.#isHeld && !this.#replay.isRunning;
    if (hasWatchdog && this.#unanswered * this.#intervalMs >= 2 * this.#timeoutMs) {
      const seconds = Math.round((this.#unanswered * this.#intervalMs) / 1000);
      this.#query.fail(new AppError('STREAM_ENDED', `PostgreSQL has not answered for ${seconds} s`));
      return;
    }
    if (hasWatchdog) this.#unanswered += 1;
    this.#sendStatus(hasWatchdog);
  }

  #sendStatus(replyRequested: boolean): void {
    if (!this.#isClosing) this.#query.send(encodeStandbyStatus(this.#confirmed, replyRequested));
  }

  /** Runs the query to its end and cleans up behind it. */
  async #run(): Promise<AppError | null> {
    const onAbort = (): void => void this.close();
    this.#options.signal?.addEventListener('abort', onAbort, { once: true });
    const reason = await this.#outcome();
    this.#options.signal?.removeEventListener('abort', onAbort);
    clearInterval(this.#timer);
    this.#gathering?.close();
    await this.#replay.stop();
    this.#spool?.close();
    await endConnection(this.#client);
    return reason;
  }

  async #outcome(): Promise<AppError | null> {
    try {
      this.#client.query(this.#query);
      await this.#query.done;
      return this.#isClosing ? null : new AppError('STREAM_ENDED', 'PostgreSQL ended the replication stream');
    } catch (error) {
      return this.#isClosing ? null : streamError(error, this.#options.slot, this.#hasStarted);
    }
  }
}

/** ms between two status messages: 75 % of the server's patience at most. */
function statusInterval(walSenderTimeoutMs: number): number {
  if (walSenderTimeoutMs === 0) return MAX_STATUS_INTERVAL_MS;
  return Math.max(1, Math.min(MAX_STATUS_INTERVAL_MS, Math.floor(walSenderTimeoutMs * 0.75)));
}

/** The grammar of replication commands knows plain literals only: a backslash is itself. */
function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function startStatement(options: StreamOptions): string {
  const version = options.streaming ? ["proto_version '2'", "streaming 'on'"] : ["proto_version '1'"];
  const settings = [...version, `publication_names ${literal(pgIdent(options.publication))}`];
  if (options.binary === true) settings.push("binary 'true'");
  if (options.messages === true) settings.push("messages 'true'");
  return `START_REPLICATION SLOT ${pgIdent(options.slot)} LOGICAL ${formatLsn(options.startLsn)} (${settings.join(', ')})`;
}

/** Names the end of a stream by the SQLSTATE that caused it. */
function streamError(error: unknown, slot: string, hasStarted: boolean): AppError {
  if (error instanceof AppError) return error;
  const failure = postgresError(error, `replication slot “${slot}”`);
  const state = failure.details['sqlState'];
  const isLost = state === '55000' || state === '58P01' || (state === '42704' && !hasStarted);
  if (state === '55006') return new AppError('SLOT_BUSY', failure.message, { cause: error, details: failure.details });
  if (isLost) return new AppError('SLOT_LOST', failure.message, { cause: error, details: failure.details });
  if (failure.code === 'POSTGRES_UNREACHABLE') return asStreamEnded(failure);
  return failure;
}

function asStreamEnded(failure: AppError): AppError {
  return new AppError('STREAM_ENDED', failure.message, { cause: failure.cause, details: failure.details });
}

function cancelled(): AppError {
  return new AppError('CANCELLED', 'the replication stream was closed');
}
