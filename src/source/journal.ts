/**
 * The journal: messages of the stream on our own disk, durable, so that the source may forget its WAL while
 * ClickHouse is away for long. Only used then; what it holds is applied before anything newer.
 *
 *   stream ─► append ─► flush (fdatasync) ─► confirm(to) …… later: read ─► the session's sink ─► trim
 *
 * A directory of segments. Blocks end at commits wherever they can; what a crash leaves behind the last commit is cut
 * off when the journal is opened again, as the source sends it once more.
 */
import { mkdir, open, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../model/errors.ts';
import { formatLsn, type Lsn, parseLsn } from '../model/lsn.ts';
import type { ChangeSink, WalPosition } from './changes.ts';
import { PgOutputDecoder } from './pgoutput.ts';
import type { Replayable } from './replay.ts';
import { encodeBlock, readBlocks, RECORD_BYTES } from './journal-segment.ts';

const SEGMENT_BYTES = 64 * 1024 * 1024;
/** Of a transaction that is not complete yet so much is kept in memory. */
const OPEN_BYTES = 1024 * 1024;
const SUFFIX = '.journal';
const META = 'meta.json';

/** Whose stream it is. */
export interface JournalOwner {
  /** Identity of the source: positions of two clusters cannot be compared. */
  readonly sourceId: string;
  readonly slot: string;
}

interface Segment {
  readonly number: number;
  bytes: number;
}

/** A journal; made by {@link openJournal}. One process at a time: the holder of the slot. */
export class Journal {
  readonly #directory: string;
  #segments: Segment[];
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** The first so many pending records end at a commit. */
  #marked: { records: number; endLsn: Lsn } = { records: 0, endLsn: 0n };
  /** Everything committed from here on is in it, up to {@link to}; null while it is empty. */
  from: Lsn | null;
  /** See {@link from}. */
  to: Lsn;

  constructor(directory: string, content: { segments: Segment[]; from: Lsn | null; to: Lsn }) {
    this.#directory = directory;
    this.#segments = content.segments;
    this.from = content.from;
    this.to = content.to;
  }

  /** Bytes on disk and in memory. */
  get byteLength(): number {
    return this.#segments.reduce((bytes, segment) => bytes + segment.bytes, this.#pendingBytes);
  }

  /** Bytes that are not durable yet. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Notes where it begins: the position that the source was last told. Called before the first append. */
  async begin(owner: JournalOwner, from: Lsn): Promise<void> {
    if (this.from !== null) return;
    const path = join(this.#directory, META);
    await writeFile(`${path}.new`, JSON.stringify({ ...owner, from: formatLsn(from) }), { mode: 0o600, flush: true });
    await rename(`${path}.new`, path);
    await syncDirectory(this.#directory);
    this.from = from;
    this.to = from;
  }

  /** Takes a message; a copy is kept. Not durable before {@link flush}. */
  append(bytes: Buffer, start: number, end: number, position: WalPosition): void {
    const record = Buffer.allocUnsafe(RECORD_BYTES + end - start);
    record.writeUInt32LE(end - start, 0);
    record.writeUInt32LE(position.hi, 4);
    record.writeUInt32LE(position.lo, 8);
    bytes.copy(record, RECORD_BYTES, start, end);
    this.#pending.push(record);
    this.#pendingBytes += record.length;
  }

  /** Everything committed before `endLsn` was appended, and nothing else. */
  mark(endLsn: Lsn): void {
    this.#marked = { records: this.#pending.length, endLsn };
  }

  /**
   * Makes what was appended durable up to the last mark, and what is behind it once it is much.
   *
   * @throws {AppError} `JOURNAL_FAILED`: what was appended is lost, and the source still has it.
   */
  async flush(): Promise<void> {
    const { records, endLsn } = this.#marked;
    this.#marked = { records: 0, endLsn: 0n };
    if (endLsn !== 0n) await this.#write(this.#pending.splice(0, records), endLsn);
    if (this.#pendingBytes > OPEN_BYTES) await this.#write(this.#pending.splice(0), 0n);
  }

  async #write(records: Buffer[], endLsn: Lsn): Promise<void> {
    const block = encodeBlock(records, endLsn);
    const segment = await this.#segment();
    try {
      const file = await open(this.#path(segment), 'r+');
      try {
        const { bytesWritten } = await file.writev(block, segment.bytes);
        if (bytesWritten !== sizeOf(block)) throw new AppError('JOURNAL_FAILED', 'a block was written in part');
        await file.datasync();
      } finally {
        await file.close();
      }
    } catch (error) {
      throw failure(error, this.#directory);
    }
    this.#pendingBytes -= sizeOf(records);
    segment.bytes += sizeOf(block);
    if (endLsn !== 0n) this.to = endLsn;
  }

  /** Reads everything back, in order: one payload after the other, see {@link eachRecord}. */
  async *read(): AsyncGenerator<Buffer, void, void> {
    for (const segment of this.#segments) {
      for await (const { payload } of readBlocks(this.#path(segment))) yield payload;
    }
  }

  /** Delivers what is in it, see {@link Replayable}; the sink has to skip what it knows. */
  replayTo(sink: ChangeSink): Replayable {
    const decoder = new PgOutputDecoder(sink);
    const replay: Replayable['replay'] = async ({ goOn, onPart }) => {
      for await (const payload of this.read()) {
        if (!(await goOn())) return false;
        eachRecord(payload, (start, end, position) => decoder.decode(payload, start, end, position));
        onPart();
      }
      return true;
    };
    return { replay, close: () => undefined };
  }

  /** Drops everything: it is in the copy. */
  async clear(): Promise<void> {
    await rm(join(this.#directory, META), { force: true });
    await syncDirectory(this.#directory);
    for (const segment of this.#segments.splice(0)) await rm(this.#path(segment), { force: true });
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#marked = { records: 0, endLsn: 0n };
    this.from = null;
  }

  /** The segment to write to, a new one when the last is full. */
  async #segment(): Promise<Segment> {
    const last = this.#segments.at(-1);
    if (last !== undefined && last.bytes < SEGMENT_BYTES) return last;
    const segment: Segment = { number: (last?.number ?? 0) + 1, bytes: 0 };
    try {
      await writeFile(this.#path(segment), '', { mode: 0o600, flag: 'w' });
      await syncDirectory(this.#directory);
    } catch (error) {
      throw failure(error, this.#directory);
    }
    this.#segments.push(segment);
    return segment;
  }

  #path({ number }: Segment): string {
    return join(this.#directory, String(number).padStart(10, '0') + SUFFIX);
  }
}

/**
 * Opens the journal of a slot, and cuts off what a crash left unfinished at its end.
 *
 * @param directory Made when missing, readable by its owner alone.
 * @param options.isReadOnly Nothing is cut off or made: only looked at, while another process may write to it.
 * @throws {AppError} `JOURNAL_FAILED`, also when it is of another source or slot, or damaged before its end.
 */
export async function openJournal(
  directory: string,
  owner: JournalOwner,
  { isReadOnly = false }: { isReadOnly?: boolean } = {},
): Promise<Journal> {
  try {
    if (!isReadOnly) await mkdir(directory, { recursive: true, mode: 0o700 });
    const names = (await readdir(directory)).filter((name) => name.endsWith(SUFFIX)).toSorted();
    const from = await readMeta(directory, owner);
    if (from === null) {
      // Without its beginning nothing in it counts: it was being cleared.
      if (!isReadOnly) for (const name of names) await rm(join(directory, name));
      return new Journal(directory, { segments: [], from: null, to: 0n });
    }
    const found = await readSegments(directory, names, from);
    if (!isReadOnly) await cutOff(directory, names, found.segments);
    return new Journal(directory, { from, ...found });
  } catch (error) {
    throw failure(error, directory);
  }
}

/** Calls back with each record of a payload: where its message lies, and its position. */
export function eachRecord(payload: Buffer, take: (start: number, end: number, position: WalPosition) => void): void {
  const position = { hi: 0, lo: 0 };
  for (let at = 0; at < payload.length;) {
    const start = at + RECORD_BYTES;
    const end = start + payload.readUInt32LE(at);
    position.hi = payload.readUInt32LE(at + 4);
    position.lo = payload.readUInt32LE(at + 8);
    take(start, end, position);
    at = end;
  }
}

async function readMeta(directory: string, owner: JournalOwner): Promise<Lsn | null> {
  const path = join(directory, META);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  const meta = JSON.parse(text) as JournalOwner & { from: string };
  if (meta.sourceId !== owner.sourceId || meta.slot !== owner.slot) {
    throw new AppError(
      'JOURNAL_FAILED',
      `the journal in ${directory} is of slot “${meta.slot}” of source ${meta.sourceId}, not of “${owner.slot}” of ${owner.sourceId}`,
    );
  }
  return parseLsn(meta.from);
}

/** Finds the last block that ends at a commit: up to there it counts. */
async function readSegments(
  directory: string,
  names: readonly string[],
  from: Lsn,
): Promise<{ segments: Segment[]; to: Lsn }> {
  const segments: Segment[] = [];
  let whole = { segments: 0, offset: 0, to: from };
  for (const [i, name] of names.entries()) {
    const path = join(directory, name);
    const segment: Segment = { number: Number.parseInt(name, 10), bytes: 0 };
    for await (const { endLsn, endOffset } of readBlocks(path)) {
      segment.bytes = endOffset;
      if (endLsn !== 0n) whole = { segments: i + 1, offset: endOffset, to: endLsn };
    }
    segments.push(segment);
    const isCut = segment.bytes < (await stat(path)).size;
    if (isCut && i < names.length - 1) throw new AppError('JOURNAL_FAILED', `${path} is damaged`);
  }
  const last = segments[whole.segments - 1];
  if (last === undefined) return { segments: [], to: from };
  last.bytes = whole.offset;
  return { segments: segments.slice(0, whole.segments), to: whole.to };
}

/** Removes what lies behind the segments that count, and behind the end of the last one. */
async function cutOff(directory: string, names: readonly string[], kept: readonly Segment[]): Promise<void> {
  for (const name of names.slice(kept.length)) await rm(join(directory, name));
  const last = kept.at(-1);
  if (last !== undefined) await truncate(join(directory, names[kept.length - 1] ?? ''), last.bytes);
}

function sizeOf(parts: readonly Buffer[]): number {
  return parts.reduce((bytes, part) => bytes + part.length, 0);
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function failure(error: unknown, directory: string): AppError {
  if (error instanceof AppError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new AppError('JOURNAL_FAILED', `the journal in ${directory} failed: ${reason}`, { cause: error });
}
