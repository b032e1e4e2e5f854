/** The stream of a pipeline, ended from the server's side. */
import { pgRows } from '../../src/source/connection.ts';
import { inspectSlot } from '../../src/source/slot.ts';
import type { TemporaryPostgres } from './databases.ts';
import { waitFor } from './wait.ts';

/** Ends the walsender of the slot, as wal_sender_timeout would for a process that sleeps; the slot is free then. */
export async function endStream(pg: TemporaryPostgres): Promise<void> {
  await pgRows(
    pg.client,
    'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active',
    [pg.database],
  );
  await waitFor(async () => (await inspectSlot(pg.client, pg.database))?.active === false, {
    what: 'the slot to be free',
  });
}
