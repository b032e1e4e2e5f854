/**
 * The benchmarks: `npm run bench -- load|stream|freshness|huge|verify|query|idle|tables [--rows N] [--tables N] [--repeat N] [--seconds N] [--flush-ms N] [--mib N] [--json] [--save]`.
 * What they measure and how to read them: docs/benchmarks.md.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../src/model/package-root.ts';
import { measureFreshness } from './scenarios/freshness.ts';
import { HUGE_ROWS, measureHuge } from './scenarios/huge.ts';
import { measureIdle } from './scenarios/idle.ts';
import { LOAD_ROWS, measureLoad } from './scenarios/load.ts';
import { measureQueries, QUERY_SIZES } from './scenarios/query.ts';
import { measureStream, STREAM_ROWS } from './scenarios/stream.ts';
import { MANY_TABLES, measureTables } from './scenarios/tables.ts';
import { measureVerify, VERIFY_ROWS } from './scenarios/verify.ts';
import { queryPage } from './support/query-page.ts';
import { openLab } from './support/lab.ts';
import { describeMachine, loadNow } from './support/machine.ts';
import { type Findings, printResult, type Result } from './support/result.ts';
import type { Lab } from './support/lab.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string' },
    tables: { type: 'string' },
    repeat: { type: 'string', default: '3' },
    seconds: { type: 'string' },
    'flush-ms': { type: 'string' },
    mib: { type: 'string', default: '1024' },
    json: { type: 'boolean', default: false },
    /** Writes bench/results/<scenario>.json: for runs at full size. */
    save: { type: 'boolean', default: false },
  },
});

const repeat = Number(values.repeat);
const SCENARIOS: Record<string, (lab: Lab) => Promise<Findings>> = {
  load: (lab) => measureLoad(lab, { rows: Number(values.rows ?? LOAD_ROWS), repeat }),
  huge: (lab) => measureHuge(lab, { rows: Number(values.rows ?? HUGE_ROWS) }),
  stream: (lab) => measureStream(lab, { rows: Number(values.rows ?? STREAM_ROWS), repeat }),
  freshness: (lab) =>
    measureFreshness(lab, { seconds: optional(values.seconds), minFlushIntervalMs: optional(values['flush-ms']) }),
  verify: (lab) => measureVerify(lab, { rows: Number(values.rows ?? VERIFY_ROWS), repeat }),
  query: (lab) =>
    measureQueries(lab, {
      sizes: values.rows === undefined ? QUERY_SIZES : values.rows.split(',').map(Number),
      repeat,
      seconds: optional(values.seconds) ?? 20,
    }),
  idle: (lab) => measureIdle(lab, Number(values.mib)),
  tables: (lab) => measureTables(lab, Number(values.tables ?? MANY_TABLES)),
};

function optional(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

async function run(scenario: string): Promise<Result> {
  const measure = SCENARIOS[scenario];
  if (measure === undefined) throw new Error(`unknown scenario ${scenario}: ${Object.keys(SCENARIOS).join(', ')}`);
  await using lab = await openLab();
  const machine = await describeMachine(lab);
  const measuredAt = new Date().toISOString();
  const findings = await measure(lab);
  machine.loadAverage.push(loadNow());
  return { scenario, measuredAt, machine, ...findings };
}

/** Files of docs/. */
async function writePage(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(packageRoot(), 'docs', name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }
}

for (const scenario of positionals.length === 0 ? Object.keys(SCENARIOS) : positionals) {
  const result = await run(scenario);
  const text = `${JSON.stringify(result, null, 2)}\n`;
  if (values.json) process.stdout.write(text);
  else printResult(result);
  if (values.save) {
    const directory = join(packageRoot(), 'bench', 'results');
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, `${scenario}.json`), text);
    if (scenario === 'query') await writePage(queryPage(result));
  }
}
