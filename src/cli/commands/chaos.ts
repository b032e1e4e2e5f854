/** `millrace chaos`: breaks the pipeline on purpose, round after round, and compares source and copy after each. */
import { join, resolve } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import { type ChaosFailure, type ChaosResult, runChaos } from '../../chaos/chaos.ts';
import { FAULT_KINDS, type FaultKind, FAULTS } from '../../chaos/fault-kinds.ts';
import { planText } from '../../chaos/plan.ts';
import type { RoundResult } from '../../chaos/round.ts';
import { type ChaosSummary, percentile } from '../../chaos/summary.ts';
import { AppError } from '../../model/errors.ts';
import { requireRepeatable, requireWhole } from '../../generator/requirements.ts';
import { openSession, type Session } from '../context.ts';
import { renderJson, renderTable, thousands } from '../print.ts';
import { parseNumber, seedOrNew } from './seed-options.ts';

const HELP = `
Faults (--faults takes names or beginnings of names, comma-separated):
${FAULT_KINDS.map((kind) => `  ${kind.padEnd(24)} ${FAULTS[kind].text}`).join('\n')}

Examples:
  millrace chaos                                  20 rounds, all faults, a new seed
  millrace chaos --rounds 1000 --seed 7           the same plans every time
  millrace chaos --seed 7 --first 17 --rounds 1   round 17 of that run again
  millrace chaos --faults clickhouse,kill         one server's faults, and SIGKILL of the pipeline`;

/** Lines of the log shown with a failure. */
const SHOWN_LOG = 15;
const SHOWN_COLUMNS = 300;

/** The command `chaos`. */
export function chaosCommand() {
  return new Command('chaos')
    .description(
      'Starts engines of its own, replicates live traffic between them, breaks something at random moments and compares source and copy exactly after each round. Exit code 1 at the first difference.',
    )
    .option('--rounds <number>', 'how many rounds', parseNumber, 20)
    .option('--seed <number>', 'repeats the plans of a run; a new one when absent', parseNumber)
    .option('--first <number>', 'the round to begin with', parseNumber, 1)
    .option('--minutes <number>', 'end after so many minutes, when the round in hand is over', parseNumber)
    .option('--faults <names>', 'only these faults', parseFaults, FAULT_KINDS)
    .addHelpText('after', HELP)
    .action(async (options, command) => {
      const session = await openSession(command);
      refuseServers(session);
      const { rounds, first, minutes, faults } = options;
      const seed = seedOrNew(options.seed);
      requireRepeatable({ seed, now: new Date(0) });
      requireWhole('the number of rounds', rounds, { min: 1, max: 1_000_000 });
      requireWhole('the first round', first, { min: 1, max: 1_000_000 });
      const directory = resolve(join(session.config.dataDir, `chaos-${seed}-${process.pid}`));
      const tell = (line: string): void => {
        if (!session.json && !session.quiet) process.stdout.write(`${line}\n`);
      };
      tell(`seed ${seed}, engines in ${directory}`);
      const result = await runChaos({
        rounds,
        seed,
        first,
        minutes: minutes ?? null,
        kinds: faults,
        directory,
        signal: session.signal,
        onRound: (round) => tell(roundText(round)),
      });
      if (session.json) process.stdout.write(renderJson(jsonOf(result, directory)));
      else process.stdout.write(summaryText(result.summary));
      if (result.failure === null) return;
      if (!session.json) process.stdout.write(failureText(result.failure, directory));
      process.exitCode = 1;
    });
}

/** Names of faults, or beginnings of names. */
function parseFaults(text: string): FaultKind[] {
  const names = text.split(',').map((name) => name.trim());
  for (const name of names) {
    if (!FAULT_KINDS.some((kind) => kind.startsWith(name)))
      throw new AppError('USAGE', `there is no fault “${name}”; there are ${FAULT_KINDS.join(', ')}`);
  }
  return FAULT_KINDS.filter((kind) => names.some((name) => kind === name || kind.startsWith(`${name}-`)));
}

/** Nobody's servers are broken on purpose. */
function refuseServers({ config }: Session): void {
  if (config.postgresUrl === null && config.clickhouseUrl === null) return;
  throw new AppError('USAGE', 'chaos breaks servers on purpose: it runs engines of its own, and takes no URL');
}

function roundText({ plan, injected, comparison, traffic, overheard, recoveryMs, totalMs }: RoundResult): string {
  const missed = injected.filter(({ tookPlace }) => !tookPlace).length;
  const outcome = comparison.differences.length === 0 ? 'equal' : `${comparison.differences.length} DIFFERENCES`;
  return (
    `round ${plan.round}: ${planText(plan)}${missed > 0 ? ` (${missed} found nothing to break)` : ''}: ` +
    `${thousands(traffic.changes)} changes, ${thousands(comparison.rows)} rows ${outcome}, ` +
    `recovered in ${seconds(recoveryMs)}, round ${seconds(totalMs)}` +
    overheard.ends.map(({ code, message }) => `\n  the process gave up (${code}): ${message}`).join('')
  );
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Per kind of fault: how often, and how long the copy took after it. */
function kindRows(summary: ChaosSummary): Record<string, unknown>[] {
  const row = (kind: FaultKind | 'several'): Record<string, unknown> => {
    const times = summary.recoveriesMs[kind] ?? [];
    const count = kind === 'several' ? null : (summary.faults[kind] ?? 0);
    return { fault: kind, count, alone: times.length, p50_ms: percentile(times, 0.5), p99_ms: percentile(times, 0.99) };
  };
  return [...FAULT_KINDS.filter((kind) => (summary.faults[kind] ?? 0) > 0), 'several' as const].map(row);
}

const COLUMNS = [
  { name: 'fault' },
  { name: 'count', label: 'times', kind: 'number' },
  { name: 'alone', label: 'rounds alone', kind: 'number' },
  { name: 'p50_ms', label: 'recovery p50 ms', kind: 'number' },
  { name: 'p99_ms', label: 'p99 ms', kind: 'number' },
] as const;

function summaryText(summary: ChaosSummary): string {
  const gaveUp = Object.entries(summary.gaveUp).map(([code, count]) => `${count} × ${code}`);
  const faults = Object.values(summary.faults).reduce((sum, count) => sum + count, 0);
  return [
    `\n${thousands(summary.rounds)} rounds (${summary.loads} with a new load), ${thousands(faults)} faults, ${summary.missed} found nothing to break`,
    `${thousands(summary.transactions)} transactions, ${thousands(summary.changes)} row changes, ${thousands(summary.rowsCompared)} rows compared, ${summary.differences} differences`,
    `${thousands(summary.retries)} statements tried again, ${thousands(summary.sessions)} sessions begun anew, ${thousands(summary.reconciles)} reconciles`,
    `the process gave up by itself: ${gaveUp.length === 0 ? 'never' : gaveUp.join(', ')}`,
    `a round took ${seconds(percentile(summary.roundsMs, 0.5) ?? 0)} (p50), ${seconds(percentile(summary.roundsMs, 0.99) ?? 0)} (p99)`,
    '',
    renderTable(COLUMNS, kindRows(summary)),
  ].join('\n');
}

function failureText({ plan, findings, log }: ChaosFailure, directory: string): string {
  return [
    `round ${plan.round} of seed ${plan.seed} FAILED: ${planText(plan)}`,
    ...findings.map((finding) => `  ${finding}`),
    `again: millrace chaos --seed ${plan.seed} --first ${plan.round} --rounds 1`,
    `kept: ${directory}`,
    'the pipeline wrote last:',
    ...log.trimEnd().split('\n').slice(-SHOWN_LOG).map(shortLine),
    '',
  ].join('\n');
}

/** What is shown of a line of the log: no stacks. */
interface LogLine {
  readonly time?: string;
  readonly level?: string;
  readonly msg?: string;
  readonly err?: { readonly message?: string };
}

function shortLine(line: string): string {
  const { time = '', level, msg, err } = JSON.parse(line.startsWith('{') ? line : '{}') as LogLine;
  const text = msg === undefined ? line : `${time.slice(11)} ${level} ${msg} ${err?.message ?? ''}`;
  return `  ${text.slice(0, SHOWN_COLUMNS)}`;
}

function jsonOf({ summary, failure }: ChaosResult, directory: string): unknown {
  const { roundsMs, recoveriesMs: _, ...rest } = summary;
  const roundMs = { p50: percentile(roundsMs, 0.5), p99: percentile(roundsMs, 0.99) };
  return {
    ...rest,
    roundMs,
    recovery: kindRows(summary),
    failure: failure === null ? null : { ...failure, directory },
  };
}
