/**
 * Moves the stream into the journal while ClickHouse is away: the source is told that it may forget what is durable
 * here. The slot stays ours meanwhile.
 *
 *   stream (protocol 1: whole transactions, in order) ─► [JournalRecorder] ─► journal ─► confirm
 */
import { AppError } from '../model/errors.ts';
import type { Lsn } from '../model/lsn.ts';
import type { MessageConsumer, WalPosition } from './changes.ts';
import type { Journal } from './journal.ts';
import { openStream, type ReplicationStream, type StreamOptions } from './stream.ts';

/** What a drain needs. */
export interface DrainOptions extends Pick<StreamOptions, 'url' | 'slot' | 'publication'> {
  readonly journal: Journal;
  /** Bytes that the journal may hold. */
  readonly maxBytes: number;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** How often a position without changes is made durable, ms. */
const IDLE_MS = 5_000;
const BEGIN = 0x42;
const COMMIT = 0x43;

/** Takes messages as they come; reads no more of them than where transactions begin and end. */
export class JournalRecorder implements MessageConsumer {
  inTransaction = false;
  readonly #journal: Journal;
  #skips = false;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Takes one message of protocol 1. What the journal has already is left out. */
  decode(bytes: Buffer, start: number, end: number, position: WalPosition): void {
    const kind = bytes[start];
    if (kind === BEGIN) {
      this.inTransaction = true;
      this.#skips = bytes.readBigUInt64BE(start + 1) < this.#journal.to;
    }
    if (!this.#skips) this.#journal.append(bytes, start, end, position);
    if (kind !== COMMIT) return;
    this.inTransaction = false;
    // kind, flags, LSN of the commit, end of the transaction
    if (!this.#skips) this.#journal.mark(bytes.readBigUInt64BE(start + 10));
  }
}

/**
 * Runs until the signal aborts or the journal is full; what it has taken is durable then.
 *
 * @throws {AppError} `JOURNAL_FAILED`, and those of the stream.
 */
export async function drain(options: DrainOptions): Promise<'stopped' | 'full'> {
  const { journal, signal, maxBytes } = options;
  const recorder = new JournalRecorder(journal);
  const state: { idleLsn: Lsn; end: AppError | null | undefined } = { idleLsn: 0n, end: undefined };
  let ring: () => void = () => undefined;
  const stream = await openStream({
    url: options.url,
    slot: options.slot,
    publication: options.publication,
    startLsn: journal.to,
    binary: true,
    messages: true,
    sink: recorder,
    onIdlePosition: (lsn) => {
      state.idleLsn = lsn;
    },
    onReadEnd: () => ring(),
  });
  const onAbort = (): void => ring();
  signal.addEventListener('abort', onAbort);
  void stream.closed.then((end) => {
    state.end = end;
    ring();
  });
  try {
    while (!signal.aborted && state.end === undefined && journal.byteLength < maxBytes) {
      await new Promise<void>((resolve) => {
        ring = resolve;
        setTimeout(resolve, IDLE_MS).unref();
      });
      const isQuiet = !recorder.inTransaction && journal.pendingBytes === 0;
      if (isQuiet && state.idleLsn > journal.to) journal.mark(state.idleLsn);
      await store(journal, stream);
    }
    if (state.end instanceof AppError) throw state.end;
    return signal.aborted ? 'stopped' : 'full';
  } finally {
    signal.removeEventListener('abort', onAbort);
    await stream.close();
  }
}

/** Nothing is read while it is being written: the journal's memory is bounded by one read. */
async function store(journal: Journal, stream: ReplicationStream): Promise<void> {
  stream.pause();
  await journal.flush();
  stream.confirm(journal.to);
  stream.resume();
}
