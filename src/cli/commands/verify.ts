/** `millrace verify`: proof that source and copy are equal at one position; what differs is shown, and repaired on request. */
import { copiedTables } from '../../config/table-rules.ts';
import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { ClickHouse } from '../../destination/client.ts';
import type { VerifyOptions } from '../../verify/options.ts';
import { VerificationStore } from '../../verify/store.ts';
import { exitCodeOf, type Verification } from '../../verify/verification.ts';
import { AppError } from '../../model/errors.ts';
import { type Context, openContext } from '../context.ts';
import { withPipeline } from '../own-pipeline.ts';
import { renderJson } from '../print.ts';
import { Progress } from '../progress.ts';
import { verificationJson, verificationText } from '../verification-text.ts';

const EXAMPLES = `
Exit codes: 0 equal (or repaired), 1 a difference is left, 2 nothing could be proved.

Examples:
  millrace verify                                 every row of every table
  millrace verify --quick                         counts, and some ranges: for schedules
  millrace verify --tables public.campaign        one table and its history
  millrace verify --repair                        read what differs again from the source
  millrace verify --replica-url postgres://…      rows are read from a standby
  millrace verify --last                          what the last run found`;

/** The command `verify`. */
export function verifyCommand() {
  return new Command('verify')
    .description(
      'Proves that source, tables, history and rollup of the copy are equal at one position, while it goes on.',
    )
    .option('--quick', 'compare counts and sampled ranges only')
    .addOption(number('--sample <number>', 'ranges of each table that --quick compares').default(8))
    .addOption(number('--seed <number>', 'which ranges --quick samples').default(1))
    .option('--tables <patterns>', 'compare these tables only: schema.table with *, comma-separated', patterns, [])
    .option('--repair', 'read differing rows again from the source, and compute differing buckets again')
    .addOption(
      number('--max-load <number>', 'connections that read at the same time, and threads in ClickHouse', 32).default(2),
    )
    .addOption(
      number('--statement-timeout <seconds>', 'a query on the source that takes longer is divided').default(30),
    )
    .addOption(number('--wait <seconds>', 'how long to wait for the pipeline').default(120))
    .addOption(number('--limit <number>', 'differences to show; all are counted').default(20))
    .option('--last', 'show the last result that was stored, and compare nothing')
    .addHelpText('after', EXAMPLES)
    .action(async (options, command) => {
      const context = await openContext(command);
      const found = options.last === true ? await readLast(context) : await run(context, options);
      process.stdout.write(context.json ? renderJson(verificationJson(found)) : verificationText(found));
      process.exitCode = exitCodeOf(found.verdict);
    });
}

interface Flags {
  readonly quick?: true;
  readonly sample: number;
  readonly seed: number;
  readonly tables: readonly string[];
  readonly repair?: true;
  readonly maxLoad: number;
  readonly statementTimeout: number;
  readonly wait: number;
  readonly limit: number;
}

async function run(context: Context, flags: Flags): Promise<Verification> {
  const { config, endpoints, quiet, json } = context;
  const { verify } = await import('../../verify/verify.ts');
  using progress = new Progress({ stream: process.stderr, silent: quiet || json, verb: 'compared' });
  const options: Omit<VerifyOptions, 'signal'> = {
    postgresUrl: endpoints.postgres,
    clickhouseUrl: endpoints.clickhouse,
    replicaUrl: config.replicaUrl,
    names: { database: config.database, internal: config.internalDatabase },
    slot: config.slot,
    patterns: copiedTables(config),
    only: flags.tables,
    unfitPolicy: config.unfitPolicy,
    maxLoad: flags.maxLoad,
    statementTimeoutMs: flags.statementTimeout * 1000,
    sample: flags.quick === true ? { ranges: flags.sample, seed: flags.seed } : null,
    limit: flags.limit,
    repair: flags.repair === true,
    waitMs: flags.wait * 1000,
    onProgress: ({ stage, tables }) => progress.update(tables, stage),
  };
  return await withPipeline(context, async (signal) => await verify({ ...options, signal }));
}

async function readLast({ config, endpoints }: Context): Promise<Verification> {
  await using clickhouse = new ClickHouse(endpoints.clickhouse);
  const names = { database: config.database, internal: config.internalDatabase };
  const found = await new VerificationStore(clickhouse, names, config.slot).readLast();
  if (found === null) throw new AppError('NOT_FOUND', 'this copy was never verified');
  return found;
}

/** An option with a whole number from 1 to `max`. */
function number<const Name extends string>(flags: Name, text: string, max = 9_999_999) {
  return new Option(flags, text).argParser((value) => {
    if (!/^[1-9]\d{0,6}$/.test(value) || Number(value) > max)
      throw new InvalidArgumentError(`It must be a whole number from 1 to ${max}.`);
    return Number(value);
  });
}

function patterns(text: string): string[] {
  return text.split(',').map((pattern) => pattern.trim());
}
