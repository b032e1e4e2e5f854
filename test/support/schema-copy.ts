/** The copy of a schema of the tests, made by a pipeline in a process: what is copied of it, and whether it is equal. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { copiedTables } from '../../src/config/table-rules.ts';
import { readMirrorShapes } from '../../src/destination/mirrors.ts';
import { isFollowed, type TableState, TableStateStore } from '../../src/destination/table-state.ts';
import { decodeShapes, isSameShape } from '../../src/model/shape.ts';
import { tableLabel } from '../../src/model/table.ts';
import { wantedKey } from '../../src/pipeline/known-tables.ts';
import { leavesFault, parseLeaves } from '../../src/pipeline/partitions.ts';
import { readCatalog } from '../../src/source/catalog.ts';
import { readLeaves } from '../../src/source/leaves.ts';
import { findRelations, publicationMarks } from '../../src/source/relations.ts';
import { readLookPosition, readShapes } from '../../src/source/shapes.ts';
import type { RealSchema } from '../schemas/real-schema.ts';
import { copyDifferences } from './compare-any.ts';
import type { TemporaryClickHouse, TemporaryPostgres } from './databases.ts';
import type { PipelineProcess } from './process.ts';
import { waitFor } from './wait.ts';

/** The configuration of a schema's copy, as a file. */
export interface SchemaConfig extends AsyncDisposable {
  /** For the environment of the process. */
  readonly path: string;
  /** Tables that are copied, and those that cannot be, with the reason. */
  readonly copied: readonly string[];
  readonly unsuitable: readonly string[];
}

/** Writes the configuration: all tables of the schema, but for those that cannot be copied. */
export async function schemaConfig(pg: TemporaryPostgres, schema: RealSchema): Promise<SchemaConfig> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-config-'));
  const path = join(directory, 'millrace.yaml');
  const write = async (excluded: readonly string[]): Promise<void> => {
    const lists = { includeTables: schema.schemas.map((name) => `${name}.*`), excludeTables: excluded };
    const lines = Object.entries(lists).map(([key, list]) => `${key}: ${JSON.stringify(list)}\n`);
    await writeFile(path, lines.join('') + (schema.rules === undefined ? '' : `tables:${schema.rules}`));
  };
  await write([]);
  const config = await loadConfig({ flags: {}, env: {}, cwd: directory, file: path });
  const { tables, unsuitable } = await readCatalog(pg.client, copiedTables(config));
  await write(unsuitable.map(tableLabel));
  return {
    path,
    copied: tables.map(tableLabel),
    unsuitable: unsuitable.map((table) => `${tableLabel(table)} ${table.reason}`),
    [Symbol.asyncDispose]: async () => await rm(directory, { recursive: true, force: true }),
  };
}

/** Lets the copy catch up and compares it; also tells tables that are not followed. Nothing may change meanwhile. */
export async function differencesOf(
  pg: TemporaryPostgres,
  ch: TemporaryClickHouse,
  pipeline: PipelineProcess,
  { schemas, excluded = {} }: Pick<RealSchema, 'schemas' | 'excluded'> = { schemas: ['public'] },
): Promise<{ differences: string[]; tables: string[] }> {
  await catalogueSeen(pg, ch, pipeline, schemas);
  await pipeline.caughtUp({ plain: true, timeoutMs: 240_000 });
  const states = await new TableStateStore(ch.client, ch, pg.database).readTables();
  const followed = [...states.values()].filter(({ phase }) => phase !== 'dropped' && phase !== 'excluded');
  const tables = followed.map(({ table, target }) => {
    const dot = table.indexOf('.');
    return { schema: table.slice(0, dot), name: table.slice(dot + 1), target, excluded: excluded[table] ?? [] };
  });
  const stopped = followed.filter(({ phase }) => phase !== 'live');
  const reasons = stopped.map(({ table, phase, reason }) => `${table} is ${phase}: ${reason}`);
  const live = tables.filter((_, i) => followed[i]?.phase === 'live');
  return {
    differences: [...reasons, ...(await copyDifferences(pg.client, ch, live))],
    tables: followed.map(({ table }) => table),
  };
}

/**
 * Waits until the pipeline has seen what the stream does not tell: names, columns, types, keys, new tables; partitions that
 * were attached, detached, dropped or emptied by themselves; what somebody has done to the publication. It asks for them
 * every few seconds, so that a position alone does not say so.
 */
async function catalogueSeen(
  pg: TemporaryPostgres,
  ch: TemporaryClickHouse,
  pipeline: PipelineProcess,
  schemas: readonly string[],
): Promise<void> {
  await pipeline.caughtUp({ plain: true, timeoutMs: 240_000 });
  const store = new TableStateStore(ch.client, ch, pg.database);
  let unseen: string[] = [];
  const isSeen = async (): Promise<boolean> => {
    pipeline.start();
    const states = [...(await store.readTables()).values()];
    const { tables: found } = await readCatalog(pg.client, {
      include: schemas.map((name) => `${name}.*`),
      exclude: [],
    });
    const known = new Set(states.map(({ oid }) => oid));
    const followed = states.filter(({ phase }) => isFollowed(phase));
    const oids = followed.map(({ oid }) => oid);
    const labels = await findRelations(pg.client, { oids, labels: [] });
    const shapes = await readShapes(pg.client, oids, await readLookPosition(pg.client));
    const leaves = await readLeaves(pg.client, oids);
    const roots = new Set(found.filter((table) => table.leaves !== undefined).map(({ oid }) => oid));
    const marks = await publicationMarks(pg.client, 'millrace');
    const keys = new Map(found.map((table) => [table.oid, wantedKey(table)]));
    const mirrors = await readMirrorShapes(ch.client, ch, followed.map(({ target }) => target)); // prettier-ignore
    const unseenOf = (state: TableState): string => {
      const [now, last] = [shapes.get(state.oid), decodeShapes(state.shape).at(-1)];
      // A table that was made again under its name may be none with partitions any more.
      const recorded = roots.has(state.oid) ? parseLeaves(state.leaves) : null;
      if (now === undefined || labels.get(state.oid) !== state.table) return 'its name';
      if (last === undefined || !isSameShape(last, now) || last.types !== now.types) return 'its columns';
      if (recorded !== null && leavesFault(recorded, leaves.get(state.oid) ?? []) !== null) return 'its partitions';
      if (state.published !== marks.get(state.oid)) return 'how it is published';
      // Of a table that only a rule makes fit to be copied no key is known here.
      const key = keys.get(state.oid) ?? mirrors.get(state.target)?.sortingKey;
      return state.building || mirrors.get(state.target)?.sortingKey !== key ? 'its key' : '';
    };
    const told = followed.map((state) => ({ table: state.table, what: unseenOf(state) }));
    const unknown = found.filter(({ oid }) => !known.has(oid)).map(tableLabel);
    unseen = [...told.filter(({ what }) => what !== '').map(({ table, what }) => `${what} of ${table}`), ...unknown];
    return unseen.length === 0;
  };
  await waitFor(isSeen, { what: 'the catalogue to be seen', timeoutMs: 120_000 }).catch((error: unknown) => {
    throw new Error(`not seen: ${unseen.join(', ')}`, { cause: error });
  });
}
