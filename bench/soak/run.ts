/**
 * The soak: `npm run soak -- [--minutes 30] [--rate 150] [--out soak-results]`. Embedded engines, the pipeline in a
 * process of its own, traffic in phases; a sample each second, an exact comparison at the end, a verdict, plots.
 * How to read it: docs/soak.md. Exit code 1 when a bound was broken.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { adDifferences } from '../../src/chaos/compare.ts';
import { pgRows } from '../../src/source/connection.ts';
import { applyPostgresSchema } from '../../src/source/migrations.ts';
import { currentLsn, inspectSlot } from '../../src/source/slot.ts';
import { type Lab, NAMES, openLab, SLOT } from '../support/lab.ts';
import { describeMachine, loadNow } from '../support/machine.ts';
import { type Findings, printResult, type Result } from '../support/result.ts';
import { rounded, quantile } from '../support/statistics.ts';
import { WorkerProcess } from '../support/worker-process.ts';
import { soakPlots } from './plots.ts';
import { type Sample, sampleUntil } from './sampler.ts';
import { runSoakTraffic, type SoakPhase } from './traffic.ts';
import { judge } from './verdict.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    rate: { type: 'string', default: '150' },
    out: { type: 'string', default: 'soak-results' },
  },
});

/** How long the copy may take to catch up at the end, ms. */
const CATCH_UP_MS = 300_000;
const POLL_MS = 200;

/** Runs the soak. */
async function soak(lab: Lab, minutes: number, rate: number): Promise<{ findings: Findings; samples: Sample[] }> {
  const { postgres, clickhouse } = lab.engines;
  await applyPostgresSchema(lab.pg);
  const samples: Sample[] = [];
  let phase: SoakPhase = 'quiet';
  await using worker = await WorkerProcess.start();
  worker.runPipeline({ postgresUrl: postgres.url, clickhouseUrl: clickhouse.url });
  await worker.until({ kind: 'live' });
  const signal = AbortSignal.timeout(minutes * 60_000);
  const traffic = runSoakTraffic({
    url: postgres.url,
    rate,
    signal,
    onPhase: (begun) => {
      phase = begun;
    },
  });
  const sampling = sampleUntil({ lab, pid: worker.pid, phase: () => phase, signal }, (sample) => samples.push(sample));
  await Promise.all([traffic, sampling]);
  await caughtUp(lab);
  const restWalMiB = Number((await inspectSlot(lab.pg, SLOT))?.retainedBytes ?? 0) / 2 ** 20;
  const { peakRssMiB } = await worker.until({ kind: 'now' });
  await worker.stop();
  const differences = await adDifferences({ client: lab.pg }, { client: lab.ch, ...NAMES });
  for (const difference of differences) console.error(difference);
  const bars = judge(samples, { restWalMiB, differences: differences.length });
  const [rows] = await pgRows(lab.pg, 'SELECT (SELECT count(*) FROM impressions) + (SELECT count(*) FROM clicks) AS n');
  const figures = { ...summary(samples), 'at the end': { rows: Number(rows?.['n']), peakRssMiB } };
  return { findings: { parameters: { minutes, rate, samples: samples.length }, figures, bars }, samples };
}

/** Resolves when everything committed before this call is in the copy, and PostgreSQL has had a chance to forget it. */
async function caughtUp(lab: Lab): Promise<void> {
  const target = await currentLsn(lab.pg);
  const deadline = performance.now() + CATCH_UP_MS;
  const isAt = async (): Promise<boolean> => {
    const slot = await inspectSlot(lab.pg, SLOT);
    return (slot?.confirmedFlushLsn ?? 0n) >= target && (slot?.restartLsn ?? 0n) >= target;
  };
  while (!(await isAt())) {
    if (performance.now() > deadline) throw new Error('the copy has not caught up');
    // Logs the transactions that run: from there on the slot may begin.
    await pgRows(lab.pg, 'CHECKPOINT');
    await sleep(POLL_MS);
  }
}

function summary(samples: readonly Sample[]): Findings['figures'] {
  const fields = [
    'rssMiB',
    'heapMiB',
    'mostParts',
    'storedParts',
    'storedFiles',
    'storedMiB',
    'walMiB',
    'lagMiB',
  ] as const;
  const rates = [
    'rowsPerSecond',
    'batchesPerSecond',
    'insertsPerSecond',
    'handles',
    'connections',
    'spoolMiB',
  ] as const;
  const of = (field: (typeof fields)[number] | (typeof rates)[number]): Record<string, number> => {
    const all = samples.map((sample) => sample[field]);
    return { p50: rounded(quantile(all, 0.5)), p99: rounded(quantile(all, 0.99)), max: rounded(Math.max(...all)) };
  };
  return Object.fromEntries([...fields, ...rates].map((field) => [field, of(field)]));
}

await using lab = await openLab({ settings: {} });
const machine = await describeMachine(lab);
const measuredAt = new Date().toISOString();
const { findings, samples } = await soak(lab, Number(values.minutes), Number(values.rate));
machine.loadAverage.push(loadNow());
const result: Result = { scenario: 'soak', measuredAt, machine, ...findings };
await mkdir(values.out, { recursive: true });
for (const [name, text] of Object.entries(soakPlots(samples))) await writeFile(join(values.out, name), text);
await writeFile(join(values.out, 'result.json'), `${JSON.stringify(result, null, 2)}\n`);
await writeFile(join(values.out, 'samples.json'), `${JSON.stringify(samples)}\n`);
printResult(result);
if (!findings.bars.every(({ reached }) => reached)) process.exitCode = 1;
