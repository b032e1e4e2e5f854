/** Asks something of single tables: of the pipeline that runs, or of the next one to start. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { ClickHouse } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { type RequestAnswer, type TableAction, TableRequestStore } from '../destination/table-requests.ts';
import { CONTROL_PREFIX, encodeControl } from '../model/control.ts';
import { AppError } from '../model/errors.ts';
import { pgRows } from '../source/connection.ts';
import { inspectSlot } from '../source/slot.ts';
import { isStarting } from '../source/start-lock.ts';

/** Who asks, and where. */
export interface AskOptions {
  readonly postgres: pg.Client;
  readonly clickhouse: ClickHouse;
  readonly names: Names;
  /** Name of the slot, which is the pipeline's. */
  readonly slot: string;
  /** How long the pipeline may take to answer, ms. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

const POLL_MS = 50;
/** Between two sessions nobody reads the slot or starts on it for a moment: after so long, no pipeline runs, ms. */
const ABSENT_MS = 3_000;

/**
 * Asks, and waits for the answer of the pipeline that runs. Without one the request lies there until the next start:
 * `asked` is the answer then.
 *
 * @throws {AppError} `USAGE` when there is no copy yet.
 */
export async function askOfTables(
  options: AskOptions,
  asked: { readonly action: TableAction; readonly tables: readonly string[]; readonly purge: boolean },
): Promise<RequestAnswer> {
  const { postgres, clickhouse, names, slot, waitMs, signal } = options;
  const request = { id: randomUUID(), ...asked };
  const store = new TableRequestStore(clickhouse, names, slot);
  await assertCopy(options);
  await store.ask(request);
  // In the log before it is looked for: a pipeline that starts now meets it, and asks for requests anew.
  const message = encodeControl({ kind: 'reconfigure', id: request.id });
  await pgRows(postgres, 'SELECT pg_logical_emit_message(true, $1, $2)', [CONTROL_PREFIX, message]);
  const deadline = performance.now() + waitMs;
  let seenAt = performance.now();
  for (;;) {
    const answer = await store.readAnswer(request.id);
    if (answer === null) throw new AppError('INTERNAL', 'a request was noted and is not there');
    const now = performance.now();
    if ((await inspectSlot(postgres, slot))?.active === true || (await isStarting(postgres, slot))) seenAt = now;
    if (answer.status !== 'asked' || now > deadline || now - seenAt > ABSENT_MS) return answer;
    await sleep(POLL_MS, undefined, { signal });
  }
}

async function assertCopy({ clickhouse, names }: AskOptions): Promise<void> {
  const rows = await clickhouse.rows(
    "SELECT 1 FROM system.tables WHERE database = {internal:String} AND name = 'table_requests'",
    { params: { internal: names.internal } },
  );
  if (rows.length === 0)
    throw new AppError('USAGE', 'there is no copy yet, or one of an earlier version: start it with `millrace run`');
}
