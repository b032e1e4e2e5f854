/**
 * A look at the source's catalogue, all of it as of one moment: what a session is prepared for. Earlier looks are kept
 * with the state of each table for as long as the stream may bring changes from before the next one (past-reading.ts).
 */
import type pg from 'pg';
import { copiedTables } from '../config/table-rules.ts';
import type { TableState } from '../destination/table-state.ts';
import { type Lsn, NO_LSN } from '../model/lsn.ts';
import { decodeShapes, hasOtherFiles, isSameShape, type TableShape } from '../model/shape.ts';
import type { SourceTable } from '../model/table.ts';
import { type Catalog, readCatalog } from '../source/catalog.ts';
import { pgRows } from '../source/connection.ts';
import {
  type FoundShape,
  type LookPosition,
  readLookPosition,
  readPrints,
  readShapes,
  type TablePrint,
} from '../source/shapes.ts';
import type { PipelineOptions } from './options.ts';

/** What was seen. */
export interface Look {
  readonly position: LookPosition;
  readonly catalog: Catalog;
  /** Those that are to be copied. */
  readonly tables: readonly SourceTable[];
  /** Of those, by oid. */
  readonly shapes: ReadonlyMap<number, FoundShape>;
  /** Of all tables. */
  readonly prints: readonly TablePrint[];
}

/** Looks. @param also Tables that are copied whatever the configuration says. @throws {AppError} those of `readCatalog`. */
export async function lookAtSource(
  client: pg.Client,
  options: Pick<PipelineOptions, 'publication'> & Parameters<typeof copiedTables>[0],
  also: ReadonlySet<string>,
): Promise<Look> {
  await pgRows(client, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  try {
    const catalog = await readCatalog(client, { ...copiedTables(options), also });
    const { tables } = catalog;
    const oids = tables.map(({ oid }) => oid);
    const position = await readLookPosition(client);
    const shapes = await readShapes(client, oids, position);
    const prints = await readPrints(client, options.publication);
    return { position, catalog, tables, shapes, prints };
  } finally {
    // Fails only where the connection is gone, and the transaction with it; the first error is the one to tell.
    await client.query('COMMIT').catch(() => undefined);
  }
}

/** The look, with the publication as it is by now: made or altered by us. */
export async function withPublication(look: Look, client: pg.Client, publication: string): Promise<Look> {
  const published = new Map((await readPrints(client, publication)).map((print) => [print.oid, print.published]));
  const prints = look.prints.map((print) => ({ ...print, published: published.get(print.oid) ?? print.published }));
  return { ...look, prints };
}

/**
 * The looks at a table to keep: the last one before everything that the stream may still bring, and all later ones.
 *
 * @param known As decoded from the table's state; none: nothing has happened to it since ever, as far as the copy is concerned.
 * @param appliedLsn What was committed before does not come again.
 */
export function withLook(known: readonly TableShape[], now: FoundShape, appliedLsn: Lsn): TableShape[] {
  const last = known.at(-1);
  if (last === undefined) return [{ ...plainShape(now), lsn: NO_LSN }];
  const kept = known.filter((_, i) => (known[i + 1]?.lsn ?? appliedLsn + 1n) > appliedLsn);
  // The same columns: what is known holds since then. Its file may be another, as TRUNCATE makes one.
  if (isSameShape(last, now))
    return [
      ...kept.slice(0, -1),
      { ...last, types: now.types, files: hasOtherFiles(last, now) ? now.files : last.files },
    ];
  return [...kept, plainShape(remembering(last, now))];
}

/** A rewrite makes PostgreSQL forget what older rows had in a column; the copy's rows of that time still have it. */
export function remembering(last: TableShape | undefined, now: FoundShape): FoundShape {
  const columns = now.columns.map((column) => ({
    ...column,
    missing: column.missing ?? last?.columns[column.attnum - 1]?.missing ?? null,
  }));
  return { ...now, columns };
}

/** The looks at a table that a session reads its changes by. */
export function shapesOf(state: Pick<TableState, 'shape'> | undefined, now: FoundShape): TableShape[] {
  const known = decodeShapes(state?.shape ?? '');
  return [...known, plainShape(remembering(known.at(-1), now))];
}

/** What is stored of a look. */
export function plainShape({ lsn, snapshot, files, types, columns }: FoundShape): TableShape {
  return { lsn, snapshot, files, types, columns };
}
