/**
 * The benchmarks: `npm run bench -- load|stream|freshness|huge|verify|query|idle|tables [--rows N] [--tables N] [--repeat N] [--seconds N] [--flush-ms N] [--mib N] [--json] [--save]`;
 * `query` also takes `--keep DIR` and `--make-only`.
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
    /** `query`: the engines' directories, one for each size, kept and used again. */
    keep: { type: 'string' },
    /** `query`: makes what is to be measured, and ends. */
    'make-only': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    /** Writes bench/results/<scenario>.json: for runs at full size. */
    save: { type: 'boolean', default: false },
  },
});

const repeat = Number(values.repeat);
type Scenario = () => Promise<Omit<Result, 'scenario' | 'measuredAt'>>;
const SCENARIOS: Record<string, Scenario> = {
  load: inLab((lab) => measureLoad(lab, { rows: Number(values.rows ?? LOAD_ROWS), repeat })),
  huge: inLab((lab) => measureHuge(lab, { rows: Number(values.rows ?? HUGE_ROWS) })),
  stream: inLab((lab) => measureStream(lab, { rows: Number(values.rows ?? STREAM_ROWS), repeat })),
  freshness: inLab((lab) =>
    measureFreshness(lab, { seconds: optional(values.seconds), minFlushIntervalMs: optional(values['flush-ms']) }),
  ),
  verify: inLab((lab) => measureVerify(lab, { rows: Number(values.rows ?? VERIFY_ROWS), repeat })),
  query: () =>
    measureQueries({
      sizes: values.rows === undefined ? QUERY_SIZES : values.rows.split(',').map(Number),
      repeat,
      seconds: optional(values.seconds) ?? 20,
      keepIn: values.keep,
      makeOnly: values['make-only'],
    }),
  idle: inLab((lab) => measureIdle(lab, Number(values.mib))),
  tables: inLab((lab) => measureTables(lab, Number(values.tables ?? MANY_TABLES))),
};

/** On engines that are made for it and removed. */
function inLab(measure: (lab: Lab) => Promise<Findings>): Scenario {
  return async () => {
    await using lab = await openLab();
    const machine = await describeMachine(lab);
    const findings = await measure(lab);
    machine.loadAverage.push(loadNow());
    return { machine, ...findings };
  };
}

function optional(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

async function run(scenario: string): Promise<Result> {
  const measure = SCENARIOS[scenario];
  if (measure === undefined) throw new Error(`unknown scenario ${scenario}: ${Object.keys(SCENARIOS).join(', ')}`);
  const measuredAt = new Date().toISOString();
  return { scenario, measuredAt, ...(await measure()) };
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
  if (values.save && !values['make-only']) {
    const directory = join(packageRoot(), 'bench', 'results');
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, `${scenario}.json`), text);
    if (scenario === 'query') await writePage(queryPage(result));
  }
}
