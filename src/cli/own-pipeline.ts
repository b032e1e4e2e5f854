/** Runs what needs a pipeline: beside the one that runs, or else with one of our own for as long as it takes. */
import { ClickHouse } from '../destination/client.ts';
import { CheckpointStore } from '../destination/checkpoint.ts';
import { AppError, isAbort } from '../model/errors.ts';
import { runPipeline } from '../pipeline/pipeline.ts';
import { connectPostgres } from '../source/connection.ts';
import { currentLsn, inspectSlot } from '../source/slot.ts';
import type { Context } from './context.ts';

/**
 * Calls `action` while a pipeline follows the source. A pipeline of our own has caught up before, and is stopped after.
 *
 * @throws {AppError} `NOT_RUNNING` when there is no copy yet; what `action` or our pipeline throws.
 */
export async function withPipeline<T>(context: Context, action: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { target, isFollowed } = await lookAtSlot(context);
  if (isFollowed) return await action(context.signal);
  await assertCopy(context);
  const { config, endpoints, log } = context;
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  let reached: () => void = () => undefined;
  const caughtUp = new Promise<void>((resolve) => {
    reached = resolve;
  });
  let failure: unknown = null;
  const pipeline = runPipeline({
    ...config,
    postgresUrl: endpoints.postgres,
    clickhouseUrl: endpoints.clickhouse,
    log,
    signal,
    onProgress: (progress) => {
      if (progress.caughtUp && progress.appliedLsn >= target) reached();
    },
  }).catch((error: unknown) => {
    failure = error;
  });
  // However it ends, nothing waits for it any more.
  const ended = pipeline.then(() => stop.abort()).then(() => signal.throwIfAborted());
  try {
    return await Promise.race([caughtUp, ended]).then(() => action(signal));
  } catch (error) {
    throw failure !== null && isAbort(error) && !context.signal.aborted ? failure : error;
  } finally {
    stop.abort();
    await Promise.allSettled([pipeline, ended]);
  }
}

async function lookAtSlot({ config, endpoints }: Context): Promise<{ target: bigint; isFollowed: boolean }> {
  const client = await connectPostgres(endpoints.postgres);
  try {
    const slot = await inspectSlot(client, config.slot);
    return { target: await currentLsn(client), isFollowed: slot?.active === true };
  } finally {
    await client.end();
  }
}

async function assertCopy({ config, endpoints }: Context): Promise<void> {
  await using clickhouse = new ClickHouse(endpoints.clickhouse);
  const names = { database: config.database, internal: config.internalDatabase };
  const sql = "SELECT 1 FROM system.tables WHERE database = {internal:String} AND name = 'checkpoint'";
  const tables = await clickhouse.rows(sql, { params: { internal: names.internal } });
  if (tables.length > 0 && (await new CheckpointStore(clickhouse, names, config.slot).read()) !== null) return;
  throw new AppError('NOT_RUNNING', `there is no copy in “${names.database}” to be verified`);
}
