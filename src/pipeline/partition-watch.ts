/** Asks the source every second whether partitions have come, gone or been emptied beside the stream. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Patience, untilDone } from '../destination/landing.ts';
import { tableLabel } from '../model/table.ts';
import { readLeaves } from '../source/leaves.ts';
import { withLoadSession } from './load-connection.ts';
import { leavesFault, recordLeaves } from './partitions.ts';
import type { Prepared } from './prepare.ts';

const POLL_MS = 1_000;

/**
 * Watches until a table has to be loaded again, or the session ends.
 *
 * @param onChange Told once, in words.
 */
export async function watchPartitions(
  { layouts }: Pick<Prepared, 'layouts'>,
  options: { url: string; patience: Patience; onChange: (why: string) => void },
): Promise<void> {
  const { url, patience, onChange } = options;
  const known = new Map(
    layouts.flatMap(({ table }) => (table.leaves === undefined ? [] : [[table.oid, table] as const])),
  );
  if (known.size === 0) return;
  const look = async (): Promise<string> =>
    await withLoadSession(url, patience.signal, async (client) => {
      for (;;) {
        const found = await readLeaves(client, [...known.keys()]);
        for (const [oid, table] of known) {
          const fault = leavesFault(recordLeaves(table.leaves ?? [], null), found.get(oid) ?? []);
          if (fault !== null) return `${tableLabel(table)}: ${fault}`;
        }
        await sleep(POLL_MS, undefined, { signal: patience.signal });
      }
    });
  onChange(await untilDone(look, { ...patience, what: 'look at partitions' }));
}
