/** What the subcommands of `millrace seed` do: connect, generate, tell. */
import { createInterface } from 'node:readline/promises';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import type pg from 'pg';
import { addClicks, addImpressions } from '../../generator/add-events.ts';
import { addBatch, type BatchOptions } from '../../generator/batch.ts';
import { addAdvertisers, addCampaigns } from '../../generator/insert-campaigns.ts';
import { resetSource } from '../../generator/reset.ts';
import { readStatistics } from '../../generator/statistics.ts';
import { committedRows, type TrafficCounts } from '../../generator/traffic-kinds.ts';
import { runTraffic } from '../../generator/traffic.ts';
import { AppError } from '../../model/errors.ts';
import { connectPostgres } from '../../source/connection.ts';
import { findEndpoints, openSession, type Session } from '../context.ts';
import { renderJson, renderTable, thousands } from '../print.ts';
import { Progress } from '../progress.ts';
import { seedOrNew } from './seed-options.ts';

/** Options of all generating subcommands. */
interface Repeat {
  readonly seed?: number | undefined;
  readonly now?: Date | undefined;
}

/** `seed batch`. */
export async function seedBatch(
  self: CommandUnknownOpts,
  options: Repeat & Omit<BatchOptions, 'seed' | 'now' | 'onProgress' | 'signal'>,
): Promise<void> {
  const repeat = repeatable(options);
  await withSource(self, async (client, session) => {
    const startedMs = performance.now();
    const result = await withProgress(session, async (progress) =>
      addBatch(client, {
        ...options,
        ...repeat,
        signal: session.signal,
        onProgress: ({ done, total }) =>
          progress.update([{ name: 'events', rows: done, rowsExpected: total, done: done === total }]),
      }),
    );
    const seconds = (performance.now() - startedMs) / 1000;
    const rows = result.impressions + result.clicks;
    tell(session, { ...result, seed: repeat.seed, seconds }, [
      `added ${thousands(result.advertisers)} advertisers, ${thousands(result.campaigns)} campaigns, ` +
        `${thousands(result.impressions)} impressions, ${thousands(result.clicks)} clicks`,
      `${thousands(Math.round(rows / seconds))} events per second, ${seedLine(repeat.seed)}`,
    ]);
  });
}

/** `seed advertisers`. */
export async function seedAdvertisers(self: CommandUnknownOpts, options: Repeat & { count: number }): Promise<void> {
  const repeat = repeatable(options);
  await withSource(self, async (client, session) => {
    const ids = await addAdvertisers(client, { count: options.count, ...repeat });
    tell(session, { ids, seed: repeat.seed }, [`added ${thousands(ids.length)} advertisers${idRange(ids)}`]);
  });
}

/** `seed campaigns`. */
export async function seedCampaigns(
  self: CommandUnknownOpts,
  options: Repeat & { advertiserId: number; count: number },
): Promise<void> {
  const repeat = repeatable(options);
  await withSource(self, async (client, session) => {
    const ids = await addCampaigns(client, { ...options, ...repeat });
    const text = `added ${thousands(ids.length)} campaigns to advertiser ${options.advertiserId}${idRange(ids)}`;
    tell(session, { ids, seed: repeat.seed }, [text, seedLine(repeat.seed)]);
  });
}

/** `seed impressions`. */
export async function seedImpressions(
  self: CommandUnknownOpts,
  options: Repeat & { campaignId: number; count: number; days: number },
): Promise<void> {
  const repeat = repeatable(options);
  await withSource(self, async (client, session) => {
    const impressions = await withProgress(session, async (progress) =>
      addImpressions(client, {
        ...options,
        ...repeat,
        signal: session.signal,
        onRows: (rows) =>
          progress.update([{ name: 'impressions', rows, rowsExpected: options.count, done: rows === options.count }]),
      }),
    );
    const text = `added ${thousands(impressions)} impressions to campaign ${options.campaignId}`;
    tell(session, { impressions, seed: repeat.seed }, [text, seedLine(repeat.seed)]);
  });
}

/** `seed clicks`. */
export async function seedClicks(
  self: CommandUnknownOpts,
  options: { seed?: number | undefined; campaignId: number; ratio: number },
): Promise<void> {
  const seed = seedOrNew(options.seed);
  await withSource(self, async (client, session) => {
    const result = await addClicks(client, { ...options, seed });
    const where = `campaign ${options.campaignId}`;
    const text =
      result.impressions === 0
        ? `no clicks added: ${where} has no impressions`
        : `added ${thousands(result.clicks)} clicks to ${where}, on ${thousands(result.impressions)} impressions`;
    tell(session, { ...result, seed }, [text, seedLine(seed)]);
  });
}

/** `seed stats`. */
export async function seedStats(self: CommandUnknownOpts): Promise<void> {
  await withSource(self, async (client, session) => {
    const { perCampaign, ...totals } = await readStatistics(client);
    const lines = Object.entries({ ...totals, ctr: percent(totals.ctr) }).map(
      ([name, value]) => `${name.padEnd(12)}${typeof value === 'number' ? thousands(value) : value}`,
    );
    const columns = [
      { name: 'id', kind: 'id' },
      { name: 'name', kind: 'text' },
      { name: 'advertiser', kind: 'text' },
      ...(['bid', 'budget', 'impressions', 'clicks', 'ctr'] as const).map(
        (name) => ({ name, kind: 'number' }) as const,
      ),
    ] as const;
    const rows = perCampaign.map((campaign) => ({ ...campaign, ctr: percent(campaign.ctr) }));
    const table = rows.length === 0 ? '' : `\n${renderTable(columns, rows, { width: process.stdout.columns })}`;
    tell(session, { ...totals, perCampaign }, [`${lines.join('\n')}${table}`]);
  });
}

/** `seed reset`. */
export async function seedReset(self: CommandUnknownOpts, { isConfirmed }: { isConfirmed: boolean }): Promise<void> {
  if (!isConfirmed && !process.stdin.isTTY) {
    throw new AppError('USAGE', 'reset deletes all rows of the source: without a terminal, confirm it by --yes');
  }
  await withSource(self, async (client, session) => {
    if (!isConfirmed) await confirm(session.signal);
    const deleted = await resetSource(client);
    const parts = Object.entries(deleted).map(([table, rows]) => `${thousands(rows)} of ${table}`);
    tell(session, { deleted }, [`deleted ${parts.join(', ')}`]);
  });
}

/** `seed traffic`. */
export async function seedTraffic(
  self: CommandUnknownOpts,
  options: { rate: number; for?: number | undefined; seed?: number | undefined },
): Promise<void> {
  const session = await openSession(self);
  const seed = seedOrNew(options.seed);
  const url = await postgresUrl(session);
  const until = options.for === undefined ? [] : [AbortSignal.timeout(options.for)];
  const counts = await withProgress(session, async (progress) =>
    runTraffic({
      url,
      ratePerSecond: options.rate,
      seed,
      signal: AbortSignal.any([session.signal, ...until]),
      onTick: (sofar) => progress.update([], `${thousands(committedRows(sofar))} rows changed`),
    }),
  );
  tell(session, { ...counts, rowsChanged: committedRows(counts), seed }, [trafficText(counts), seedLine(seed)]);
}

/** Runs the work with a connection to the source, and closes it. */
async function withSource(
  self: CommandUnknownOpts,
  work: (client: pg.Client, session: Session) => Promise<void>,
): Promise<void> {
  const session = await openSession(self);
  const client = await connectPostgres(await postgresUrl(session), { applicationName: 'millrace seed' });
  try {
    await work(client, session);
  } finally {
    await client.end();
  }
}

/** Only PostgreSQL is needed: its URL is enough. */
async function postgresUrl({ config }: Session): Promise<string> {
  return config.postgresUrl ?? (await findEndpoints(config)).postgres;
}

function repeatable(options: Repeat): { seed: number; now: Date } {
  return { seed: seedOrNew(options.seed), now: options.now ?? new Date() };
}

async function confirm(signal: AbortSignal): Promise<void> {
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const question = 'Delete all advertisers, campaigns, impressions and clicks of the source? Type "yes": ';
    const answer = await prompt.question(question, { signal });
    if (answer.trim() !== 'yes') throw new AppError('CANCELLED', 'reset was not confirmed');
  } finally {
    prompt.close();
  }
}

/** Shows progress while the work lasts; its lines are gone when the result is told. */
async function withProgress<Result>(session: Session, work: (progress: Progress) => Promise<Result>): Promise<Result> {
  using progress = new Progress({ stream: process.stderr, silent: session.quiet || session.json });
  return await work(progress);
}

/** Prints the result: one JSON value, or lines. */
function tell(session: Session, json: unknown, lines: readonly string[]): void {
  process.stdout.write(session.json ? renderJson(json) : `${lines.join('\n').trimEnd()}\n`);
}

function trafficText(counts: TrafficCounts): string {
  const rows = Object.entries(counts.rows).map(([kind, count]) => ({ kind, rows: count }));
  const table = renderTable([{ name: 'kind', kind: 'text' }, { name: 'rows' }], rows);
  const transactions = Object.values(counts.transactions).reduce((sum, count) => sum + count, 0);
  return (
    `${table}${thousands(committedRows(counts))} rows changed in ${thousands(transactions)} transactions, ` +
    `${thousands(counts.rowsTakenBack)} more taken back, ${thousands(counts.conflicts)} conflicts`
  );
}

function seedLine(seed: number): string {
  return `repeat it with --seed ${seed}`;
}

function idRange(ids: readonly number[]): string {
  return ids.length === 0 ? '' : `, id ${ids.length === 1 ? ids[0] : `${ids[0]}–${ids.at(-1)}`}`;
}

function percent(ctr: number | null): string {
  return ctr === null ? '–' : `${(ctr * 100).toFixed(2)} %`;
}
