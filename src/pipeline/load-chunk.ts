/**
 * Reads one chunk of a table with COPY (binary) and writes it to the copy, block by block, as version 0:
 * any streamed change of the same row wins, in whatever order they arrive.
 *
 *   COPY frames → codec/copy-binary → columns → Native blocks → mirror (or landing, where history is kept)
 *
 * Reading goes on while the block before is being inserted, also from chunk to chunk; one block may wait per
 * reader, which bounds the memory to twice `maxBytes` each.
 */
import type pg from 'pg';
import type { ColumnBuffer, UnfitPolicy } from '../codec/column.ts';
import { CopyBinaryReader } from '../codec/copy-binary.ts';
import { encodeBlock, type NamedBlockColumn } from '../codec/native.ts';
import { insertPiece, LOAD_SETTINGS, type Patience } from '../destination/landing.ts';
import type { TableState } from '../destination/table-state.ts';
import { AppError } from '../model/errors.ts';
import { chIdent } from '../model/quote.ts';
import { isKeyless } from '../model/table.ts';
import { chunkQuery, type Chunk } from '../source/chunks.ts';
import { copyOut, type CopyOutOptions } from '../source/copy-out.ts';
import { assertUnaltered } from '../source/shapes.ts';
import type { Copy } from './copy.ts';
import { failPoint, failPointOnTheWay } from './fail-points.ts';
import { settleSamples } from './loss-samples.ts';
import { ADDED, MarkColumns, PLAIN } from './marks.ts';
import { openColumns, openIntake, type TableLayout, layoutNames } from './layout.ts';

/** How a chunk is read. */
export interface ReadOptions {
  /** Ends the reading. */
  readonly patience: Patience;
  /** For inserts: they are not given up with the reading, as the server might still carry one out later. */
  readonly inserting: Patience;
  /** Waited for before each insert. */
  readonly room: () => Promise<void>;
  /** Told of rows as they are read. */
  readonly onRows: (rows: number) => void;
}

/** A chunk that was read to its end. */
export interface ChunkOnItsWay {
  readonly rows: number;
  /** Resolves when all of it is in the copy. Rejects only when inserting was given up. */
  readonly landed: Promise<unknown>;
}

/** What loaded rows are marked with. */
export type RowBase = Pick<TableState, 'baseVersion' | 'baseTimeUs'>;

/** A reader of chunks of one table: its columns are reused from chunk to chunk. */
export class ChunkReader {
  readonly #copy: Copy;
  readonly #layout: TableLayout;
  readonly #columns: ColumnBuffer[];
  readonly #policies: readonly UnfitPolicy[];
  readonly #maxBytes: number;
  readonly #base: RowBase;
  #inserting: Promise<unknown> = Promise.resolve();
  /** Rows handed over so far: the number of a row of a table without a key. */
  #ordinal = 0;

  constructor(
    copy: Copy,
    layout: TableLayout,
    options: { maxBytes: number; policies: readonly UnfitPolicy[]; base: RowBase },
  ) {
    this.#base = options.base;
    this.#copy = copy;
    this.#layout = layout;
    this.#policies = options.policies;
    this.#columns = openColumns(layout, options.policies);
    this.#maxBytes = options.maxBytes;
  }

  /**
   * Reads one chunk and hands it over to be written: the next may be read meanwhile.
   *
   * When reading is given up, it is over once nothing of it is on its way to the copy any more.
   *
   * @returns The chunk on its way; or `rewritten` when the table or partition has another file by now, so that
   *   block ranges mean nothing, or is gone.
   */
  async read(client: pg.Client, chunk: Chunk, options: ReadOptions): Promise<ChunkOnItsWay | 'rewritten'> {
    const sql = chunkQuery(this.#layout.table, chunk);
    const { table, print } = this.#layout;
    const check = print === undefined ? undefined : (): Promise<void> => assertUnaltered(client, table, print);
    const outcome = await this.#settled(this.#read(client, { sql, unlessRewritten: { ...chunk, check } }, options));
    // Planned again it would be the same, when it is the table that has another name.
    if (outcome === 'rewritten') await check?.();
    return outcome;
  }

  /** Reads what a COPY statement gives, in the transaction that is open, the same way. */
  async readAll(client: pg.Client, sql: string, options: ReadOptions): Promise<ChunkOnItsWay> {
    const outcome = await this.#settled(this.#read(client, { sql }, options));
    if (outcome === 'rewritten') throw new AppError('INTERNAL', 'a table was rewritten that nobody asked after');
    return outcome;
  }

  async #settled<T>(reading: Promise<T>): Promise<T> {
    try {
      return await reading;
    } catch (error) {
      await Promise.allSettled([this.#inserting]);
      throw error;
    }
  }

  async #read(
    client: pg.Client,
    { sql, ...unless }: { sql: string } & Pick<CopyOutOptions, 'unlessRewritten'>,
    options: ReadOptions,
  ): Promise<ChunkOnItsWay | 'rewritten'> {
    for (const column of this.#columns) column.clear();
    const reader = new CopyBinaryReader(openIntake(this.#layout, this.#columns).sinks, this.#layout.codecs);
    const onFrames = (bytes: Buffer, start: number, end: number): Promise<void> | void => {
      const before = reader.rows;
      reader.pushFrames(bytes, start, end);
      settleSamples(this.#policies, this.#layout, this.#columns);
      options.onRows(reader.rows - before);
      return this.#bytes >= this.#maxBytes ? this.#flush(options) : undefined;
    };
    const outcome = await copyOut(client, sql, onFrames, { signal: options.patience.signal, ...unless });
    if (outcome === 'rewritten') return 'rewritten';
    reader.end();
    failPoint('chunk-read');
    await this.#flush(options);
    return { rows: reader.rows, landed: this.#inserting };
  }

  get #rows(): number {
    return this.#columns[0]?.length ?? 0;
  }

  get #bytes(): number {
    return this.#columns.reduce((bytes, column) => bytes + column.byteLength, 0);
  }

  /** Hands the rows over to an insert; resolves as soon as reading may go on. */
  async #flush({ patience, inserting: insertPatience, room }: ReadOptions): Promise<void> {
    if (this.#rows === 0) return;
    let before: Promise<unknown>;
    do {
      before = this.#inserting;
      await before;
      await room();
    } while (before !== this.#inserting);
    patience.signal.throwIfAborted();
    // Counted only now: what was read with the same bytes of the socket has come meanwhile, or another flush took it all.
    const rows = this.#rows;
    if (rows === 0) return;
    const { sql, block } = this.#block(rows);
    // Copied, as the columns are filled again while these bytes travel.
    const parts = encodeBlock(block, rows).map((part) => Buffer.from(part));
    for (const column of this.#columns) column.clear();
    const inserting = insertPiece(this.#copy.clickhouse, {
      sql,
      parts,
      settings: { ...LOAD_SETTINGS, ...this.#copy.fence.settings('load') },
      ...insertPatience,
    });
    failPointOnTheWay('chunk-sent');
    // A rejection is met by the next flush or the end of the chunk; until then it must not be unhandled.
    inserting.catch(() => undefined);
    this.#inserting = inserting;
  }

  #block(rows: number): { sql: string; block: NamedBlockColumn[] } {
    const { table, history } = this.#layout;
    const names = layoutNames(this.#copy.names, this.#layout);
    const block: NamedBlockColumn[] = table.columns.map((column, i) => ({
      name: column.name,
      column: this.#columns[i] as ColumnBuffer,
    }));
    const { baseVersion, baseTimeUs } = this.#base;
    const keyless = isKeyless(table);
    if (keyless || history || baseVersion > 0n) {
      const marks = new MarkColumns();
      const [hi, lo] = [Number(baseVersion >> 32n), Number(baseVersion & 0xffff_ffffn)];
      for (let row = 0; row < rows; row++) {
        marks.append(keyless ? ADDED : PLAIN, hi, lo, baseTimeUs);
        if (keyless) marks.numberLast(this.#ordinal++);
      }
      if (keyless) block.push(...marks.multisetColumns());
      const columns = keyless ? [] : marks.columns({ signed: false, history });
      block.push(...columns.filter(({ name }) => history || name === '_version'));
    }
    const columns = block.map(({ name }) => chIdent(name)).join(', ');
    return { sql: `INSERT INTO ${history ? names.landing : names.mirror} (${columns}) FORMAT Native`, block };
  }
}
