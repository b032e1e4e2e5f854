/**
 * The proof that source and copy are equal at one position: mirrors, history and rollup.
 *
 *   position ─► compare ─► (differences) ─► second position: do they differ there, too? ─► report
 *                                                └─► (repair) ─► third position: are they equal now?
 *
 * How, and what it costs: docs/verify.md.
 */
import { randomUUID } from 'node:crypto';
import { saltOf } from '../codec/mask-sql.ts';
import { ClickHouse } from '../destination/client.ts';
import { cloneDatabase, ControlStore } from '../destination/control.ts';
import { TableStateStore } from '../destination/table-state.ts';
import { Clones } from './clones.ts';
import { ControlSession } from './control-session.ts';
import { Run } from './run.ts';
import type { VerifyOptions } from './options.ts';
import { SourceReader } from './source-reader.ts';
import { chooseTables } from './tables.ts';
import type { Verification } from './verification.ts';
import { VerificationStore } from './store.ts';

/**
 * Verifies once and stores the result.
 *
 * @throws {AppError} `VERIFY_REFUSED`, `ALREADY_RUNNING`, `CONFIG_INVALID`, and those of the servers; the abort of
 *   `options.signal`. Nothing is left behind then.
 */
export async function verify(options: VerifyOptions): Promise<Verification> {
  const { names, slot } = options;
  await using clickhouse = new ClickHouse(options.clickhouseUrl, { applicationName: 'millrace verify' });
  await using control = await ControlSession.open(options.postgresUrl, slot);
  await using reader = await SourceReader.open({ ...options, url: options.replicaUrl ?? options.postgresUrl });
  const states = await new TableStateStore(clickhouse, names, slot).readTables();
  const chosen = await chooseTables(reader.keeper, states, options);
  const salt = saltOf(chosen.plans.flatMap(({ table }) => table.columns));
  if (salt !== null) await reader.tellSalt(salt);
  const clones = new Clones(clickhouse, cloneDatabase(names), {
    url: options.clickhouseUrl,
    maxLoad: options.maxLoad,
  });
  const run = new Run({
    options,
    chosen,
    clones,
    reader,
    control: control.client,
    store: new ControlStore(clickhouse, names, slot),
  });
  try {
    const verification = await run.verify(randomUUID());
    await new VerificationStore(clickhouse, names, slot).write(verification);
    return verification;
  } finally {
    await clones.drop();
  }
}
