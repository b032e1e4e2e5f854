/** `millrace rebuild rollups`: computes the rollup anew from the mirrors, while everything goes on and readers read. */
import { randomUUID } from 'node:crypto';
import { Argument, Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { ClickHouse } from '../../destination/client.ts';
import { type Answer, ControlStore } from '../../destination/control.ts';
import { isMonth } from '../../model/control.ts';
import { AppError } from '../../model/errors.ts';
import { formatLsn } from '../../model/lsn.ts';
import { connectPostgres, endConnection } from '../../source/connection.ts';
import { request } from '../../verify/ask.ts';
import { type Context, openContext } from '../context.ts';
import { withPipeline } from '../own-pipeline.ts';
import { renderJson, thousands } from '../print.ts';
import { duration } from '../progress.ts';

const HELP = `
What differs is corrected in one insert: readers see the figures as they were, or all of them right. While it is
computed nothing else is applied. Without a running pipeline one of its own catches up first.

Examples:
  millrace rebuild rollups
  millrace rebuild rollups --partition 202603     the events of March 2026 (UTC)
  millrace rebuild rollups --partition none       the events without a time`;

/** The command `rebuild`. */
export function rebuildCommand() {
  return new Command('rebuild')
    .addArgument(new Argument('<what>', 'what to compute anew').choices(['rollups']))
    .description('Computes the rollup anew from the mirrors, and corrects what differs.')
    .addOption(new Option('--partition <YYYYMM>', 'a month of events only (UTC), or none').argParser(month))
    .addOption(new Option('--wait <seconds>', 'how long to wait for the pipeline').default(600).argParser(seconds))
    .addHelpText('after', HELP)
    .action(async (_what, { partition, wait }, command) => {
      const context = await openContext(command);
      const answer = await withPipeline(context, (signal) =>
        rebuild(context, { month: partition ?? null, waitMs: wait * 1000, signal }),
      );
      const { lsn, rows: corrected, heldMs } = answer;
      const result = { corrected, lsn: formatLsn(lsn), heldMs: Math.round(heldMs), partition: partition ?? null };
      process.stdout.write(context.json ? renderJson(result) : describe(result));
    });
}

/** Asks the running pipeline. @throws {AppError} `VERIFY_REFUSED`. */
async function rebuild(
  { config, endpoints }: Context,
  { month, waitMs, signal }: { month: string | null; waitMs: number; signal: AbortSignal },
): Promise<Answer> {
  await using clickhouse = new ClickHouse(endpoints.clickhouse);
  const names = { database: config.database, internal: config.internalDatabase };
  const store = new ControlStore(clickhouse, names, config.slot);
  const control = await connectPostgres(endpoints.postgres, { applicationName: 'millrace rebuild' });
  try {
    const answer = await request({ kind: 'rebuild', id: randomUUID(), month }, { control, store, waitMs, signal });
    if (answer.kind === 'rebuilt') return answer;
    throw new AppError('VERIFY_REFUSED', `nothing was computed anew: ${answer.reason}`);
  } finally {
    await endConnection(control);
  }
}

function describe(result: { corrected: number; lsn: string; heldMs: number; partition: string | null }): string {
  const what = result.partition === null ? 'the rollup' : `partition ${result.partition} of the rollup`;
  const found =
    result.corrected === 0 ? 'was right in every bucket' : `was corrected in ${thousands(result.corrected)} buckets`;
  return `${what} ${found}, at ${result.lsn}; nothing else was applied for ${duration(result.heldMs / 1000)}\n`;
}

function month(text: string): string {
  if (!isMonth(text)) throw new InvalidArgumentError('It must be a month such as 202603, or none.');
  return text;
}

function seconds(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('It must be a whole number from 1 on.');
  return Number(text);
}
