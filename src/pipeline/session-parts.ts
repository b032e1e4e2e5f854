/** Parts of a session that need nothing of it but what they are given: the writer and the stream. */
import { tmpdir } from 'node:os';
import { copiedTables } from '../config/table-rules.ts';
import type { Patience } from '../destination/landing.ts';
import { maxLsn } from '../model/lsn.ts';
import { type SourceTable, tableLabel } from '../model/table.ts';
import { chooser } from '../source/catalog.ts';
import { openStream, type ReplicationStream, type StreamOptions } from '../source/stream.ts';
import type { Log } from '../telemetry/log.ts';
import type { TableShape } from '../model/shape.ts';
import type { Accumulator } from './accumulate.ts';
import { Applier } from './apply.ts';
import { CatalogWatch, type CatalogWatchOptions } from './catalog-watch.ts';
import { Controls } from './controls.ts';
import { Loader, type LoaderOptions } from './load.ts';
import { readsBinary, type TableLayout } from './layout.ts';
import { shapesOf } from './look.ts';
import type { PipelineOptions } from './options.ts';
import { Readings } from './past-reading.ts';
import type { Prepared } from './prepare.ts';
import { Repairer, type RepairerOptions } from './repair.ts';

/** Opens the writer of the copy, whose work rests and restarts loads. */
export function openApplier(
  prepared: Prepared,
  { loader, log, patience }: { loader: Loader; log: Log; patience: Patience },
): Applier {
  return new Applier(prepared.copy, prepared.checkpoint, {
    patience,
    events: {
      onIncomplete: (batch, rows) => loader.noteIncomplete(batch, rows),
      onAbsent: ({ layout }, rows) =>
        log.error({ table: tableLabel(layout.table), rows }, 'the mirror lacks rows that the source has changed'),
      beforeTruncate: async ({ tables }) => void (await Promise.all(tables.map(({ table }) => loader.rest(table)))),
      baseVersionOf: ({ table }) => prepared.states.get(tableLabel(table))?.baseVersion ?? 0n,
      afterTruncate: async ({ tables }) => tables.forEach(({ table }) => loader.restart(table)),
    },
  });
}

/** Opens the load of tables that are not live yet. */
export function openLoader(
  { copy, layouts, states }: Prepared,
  options: PipelineOptions,
  owner: Pick<LoaderOptions, 'policiesOf' | 'patience' | 'room' | 'onQuarantine' | 'onBuilt'>,
): Loader {
  const { postgresUrl: url, loadConnections: connections, chunkRows, chunkBytes, log } = options;
  return new Loader({ copy, layouts, states, url, connections, chunkRows, chunkBytes, log, ...owner });
}

/** Tables whose changes are left out from the beginning. */
export function quarantinedTables({ layouts, states }: Prepared): SourceTable[] {
  const tables = layouts.map(({ table }) => table);
  return tables.filter((table) => states.get(tableLabel(table))?.phase === 'quarantined');
}

/** Opens what serves requests of other processes, between two batches. */
export function openControls(
  { copy, layouts }: Prepared,
  { postgresUrl: url, log }: PipelineOptions,
  parts: Pick<RepairerOptions, 'pool' | 'policiesOf' | 'signal'> & {
    readonly applier: Applier;
    readonly loader: Loader;
    readonly unready: () => string;
  },
): Controls {
  const { applier, loader, unready, ...reading } = parts;
  const repairer = new Repairer({ copy, url, layouts, ...reading });
  const liveTables = (): TableLayout[] => layouts.filter(({ table }) => loader.isLive(tableLabel(table)));
  return new Controls({ copy, applier, repairer, log, liveTables, unready });
}

/** Opens the stream at the checkpoint; behind what a journal holds, which is told first. */
export async function openSessionStream(
  { checkpoint, journal, layouts }: Prepared,
  options: PipelineOptions,
  owner: Pick<StreamOptions, 'onIdlePosition' | 'onReadEnd'> & { readonly sink: Accumulator },
): Promise<ReplicationStream> {
  const { postgresUrl, slot, publication, spoolDir, spoolMaxBytes, signal } = options;
  return await openStream({
    url: postgresUrl,
    slot,
    publication,
    startLsn: maxLsn(checkpoint.appliedLsn, journal?.to ?? 0n),
    ...(journal === null ? {} : { first: journal.replayTo(owner.sink) }),
    binary: readsBinary(layouts),
    messages: true,
    streaming: spoolMaxBytes === 0 ? null : { directory: spoolDir ?? tmpdir(), maxBytes: spoolMaxBytes },
    signal,
    ...owner,
  });
}

/** How the session reads the changes of tables that are altered meanwhile. */
export function openReadings({ look, states }: Prepared): Readings {
  const shapes = look.tables.map((table): [number, readonly TableShape[]] => {
    const now = look.shapes.get(table.oid);
    return [table.oid, now === undefined ? [] : shapesOf(states.get(tableLabel(table)), now)];
  });
  return new Readings({ snapshot: look.position.snapshot, shapes: new Map(shapes) });
}

/** Opens the watch for changes of what the session was prepared for. */
export function openWatch(
  { look, layouts }: Prepared,
  options: PipelineOptions,
  owner: Pick<CatalogWatchOptions, 'signal' | 'onChange'>,
): CatalogWatch {
  const { postgresUrl: url, publication, catalogPollMs: pollMs, log } = options;
  const oids = new Set(layouts.map(({ table }) => table.oid));
  const isChosen = chooser(copiedTables(options));
  return new CatalogWatch({ url, publication, prints: look.prints, oids, isChosen, pollMs, log, ...owner });
}
