/** Parts of a session that need nothing of it but what they are given: the writer and the stream. */
import { tmpdir } from 'node:os';
import type { Patience } from '../destination/landing.ts';
import { maxLsn } from '../model/lsn.ts';
import { tableLabel } from '../model/table.ts';
import { openStream, type ReplicationStream, type StreamOptions } from '../source/stream.ts';
import type { Log } from '../telemetry/log.ts';
import type { Accumulator } from './accumulate.ts';
import { Applier } from './apply.ts';
import { readsBinary } from './layout.ts';
import type { Loader } from './load.ts';
import type { PipelineOptions } from './options.ts';
import type { Prepared } from './prepare.ts';

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
