/** The command line as a user meets it: the compiled program in a process of its own. */
import { spawn } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, inject, test } from 'vitest';
import { temporaryClickHouse, temporaryPostgres } from '../../test/support/databases.ts';

const MAIN = new URL('../../dist/src/cli/main.js', import.meta.url).pathname;

/** Runs the program in an empty directory, without settings of the surroundings. */
async function millrace(args: readonly string[], options: { yaml?: string; env?: Record<string, string> } = {}) {
  const cwd = await mkdtemp(join(tmpdir(), 'millrace-cli-'));
  if (options.yaml !== undefined) await writeFile(join(cwd, 'millrace.yaml'), options.yaml);
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { PATH: process.env['PATH'], NO_COLOR: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const [stdout, stderr, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { stdout, stderr, exitCode };
}

describe('usage', () => {
  test('--help lists the commands and settings', async () => {
    const { stdout, stderr, exitCode } = await millrace(['--help']);
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
    for (const word of ['up', 'check', 'status', 'kpi', '--postgres-url', '--batch-max-bytes', 'Examples:']) {
      expect(stdout).toContain(word);
    }
  });

  test('--version prints it', async () => {
    expect(await millrace(['--version'])).toMatchObject({
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      exitCode: 0,
    });
  });

  test.each(['up', 'check', 'apply', 'run', 'status', 'kpi', 'seed', 'teardown'])(
    '%s --help explains it',
    async (name) => {
      const { stdout, exitCode } = await millrace([name, '--help']);
      expect({ stdout: stdout.split('\n')[0], exitCode }).toEqual({
        stdout: expect.stringContaining(`Usage: millrace ${name}`) as string,
        exitCode: 0,
      });
    },
  );

  test.each([
    { args: ['stauts'], says: 'Did you mean status?' },
    { args: ['status', '--bogus'], says: '--bogus' },
    { args: ['kpi', 'x', 'y', 'z'], says: 'too many arguments' },
  ])('$args is an error of usage', async ({ args, says }) => {
    const { stderr, exitCode } = await millrace(args);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^error USAGE: /);
    expect(stderr).toContain(says);
  });
});

describe('configuration', () => {
  test('GIVEN mistakes in all sources THEN all are told, code 2', async () => {
    const options = { yaml: 'slott: x\n', env: { MILLRACE_LOAD_CONNECTIONS: 'many' } };
    const { stderr, exitCode } = await millrace(['status', '--pricing-model', 'cpa'], options);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^error CONFIG_INVALID: /);
    for (const origin of ['millrace.yaml:1:1', 'MILLRACE_LOAD_CONNECTIONS', '--pricing-model'])
      expect(stderr).toContain(origin);
  });

  test('GIVEN --json THEN an error is one object on stderr', async () => {
    const { stdout, stderr, exitCode } = await millrace(['status', '--json']);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 2 });
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: 'NOT_RUNNING', hint: expect.stringContaining('npm start') },
    });
  });

  test('GIVEN a server that does not answer THEN the password is not told', async () => {
    const env = {
      MILLRACE_POSTGRES_URL: 'postgres://me:hunter2@127.0.0.1:1/x',
      MILLRACE_CLICKHOUSE_URL: 'http://me:hunter2@127.0.0.1:1',
    };
    const verified = await millrace(['verify', '--log-level', 'debug'], { env });
    expect(verified.exitCode).toBe(2);
    expect(verified.stderr).toMatch(/^error POSTGRES_UNREACHABLE: /);
    const status = await millrace(['status', '--log-level', 'debug'], { env });
    expect(status.exitCode).toBe(2);
    expect(status.stdout).toMatch(/^PostgreSQL {2}unreachable: .*^ClickHouse {2}unreachable: /ms);
    expect(verified.stdout + verified.stderr + status.stdout + status.stderr).not.toContain('hunter2');
  });
});

describe('with servers', () => {
  test('check finds what is wrong, and status says that nothing was copied', async () => {
    await using postgres = await temporaryPostgres();
    await using clickhouse = await temporaryClickHouse();
    await postgres.client.query('CREATE UNLOGGED TABLE not_in_the_wal (id integer PRIMARY KEY)');
    const env = {
      MILLRACE_POSTGRES_URL: postgres.url,
      MILLRACE_CLICKHOUSE_URL: inject('clickhouseUrl'),
      MILLRACE_DATABASE: clickhouse.database,
      MILLRACE_INTERNAL_DATABASE: clickhouse.internal,
      MILLRACE_SLOT: clickhouse.database,
    };
    const check = await millrace(['check', '--json'], { env });
    expect({ exitCode: check.exitCode, stderr: check.stderr }).toEqual({ exitCode: 2, stderr: '' });
    expect(JSON.parse(check.stdout)).toMatchObject({
      postgres: expect.arrayContaining([expect.objectContaining({ severity: 'error', remedy: expect.any(String) })]),
    });
    const status = await millrace(['status', '--json'], { env });
    expect({ exitCode: status.exitCode, stderr: status.stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(JSON.parse(status.stdout)).toMatchObject({ phase: 'new', tables: [], slot: null, caughtUp: false });
    expect(status.stdout).not.toContain(new URL(inject('clickhouseUrl')).password);
    const forPeople = await millrace(['status'], { env });
    expect(forPeople.stdout).toMatch(/^phase {7}new\n/);
  });
});
