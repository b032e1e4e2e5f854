import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { AppError } from '../model/errors.ts';
import { loadConfig } from './load.ts';

async function directory(yaml?: string): Promise<string> {
  const cwd = await mkdtemp(join(tmpdir(), 'millrace-config-'));
  if (yaml !== undefined) await writeFile(join(cwd, 'millrace.yaml'), yaml);
  return cwd;
}

async function mistakes(sources: Partial<Parameters<typeof loadConfig>[0]>): Promise<unknown> {
  const cwd = sources.cwd ?? (await directory());
  const error = await loadConfig({ flags: {}, env: {}, cwd, ...sources }).catch(
    (thrown: unknown) => thrown as AppError,
  );
  expect(error).toMatchObject({ code: 'CONFIG_INVALID', exitCode: 2 });
  return (error as AppError).details['mistakes'];
}

describe('precedence', () => {
  test('GIVEN nothing THEN every option has its default', async () => {
    const cwd = await directory();
    const config = await loadConfig({ flags: {}, env: {}, cwd });
    expect(config).toMatchObject({ postgresUrl: null, slot: 'millrace', database: 'ads', pricingModel: 'cpc' });
    expect(config.dataDir).toBe(join(cwd, '.millrace'));
  });

  test.each([
    { given: 'file', env: {}, flags: {}, slot: 'from_file' },
    { given: 'file and environment', env: { MILLRACE_SLOT: 'from_env' }, flags: {}, slot: 'from_env' },
    { given: 'all three', env: { MILLRACE_SLOT: 'from_env' }, flags: { slot: 'from_flag' }, slot: 'from_flag' },
    { given: 'an empty variable', env: { MILLRACE_SLOT: '' }, flags: {}, slot: 'from_file' },
  ])('GIVEN $given THEN the slot is $slot', async ({ env, flags, slot }) => {
    const cwd = await directory('slot: from_file\n');
    expect((await loadConfig({ flags, env, cwd })).slot).toBe(slot);
  });

  test('GIVEN texts and typed values THEN both mean the same', async () => {
    const cwd = await directory('batchMaxBytes: 1 MiB\nincludeTables: [a.*, b.c]\nloadConnections: 4\n');
    const fromFile = await loadConfig({ flags: {}, env: {}, cwd });
    const env = {
      MILLRACE_BATCH_MAX_BYTES: '1048576',
      MILLRACE_INCLUDE_TABLES: 'a.*, b.c',
      MILLRACE_LOAD_CONNECTIONS: '4',
    };
    expect(await loadConfig({ flags: {}, env, cwd: await directory() })).toEqual({
      ...fromFile,
      dataDir: expect.any(String) as string,
    });
  });

  test('GIVEN a file by --config THEN it replaces millrace.yaml', async () => {
    const cwd = await directory('slot: standard\n');
    await writeFile(join(cwd, 'other.yaml'), 'slot: other\n');
    expect((await loadConfig({ flags: {}, env: {}, cwd, file: 'other.yaml' })).slot).toBe('other');
  });
});

describe('mistakes', () => {
  test('GIVEN several in all sources THEN all are told with their place', async () => {
    const cwd = await directory('slott: x\n\nloadConnections: 99\nunfitPolicy: ignore\n');
    const env = { MILLRACE_POSTGRES_URI: 'postgres://x', MILLRACE_EMBEDDED_POSTGRES_PORT: 'any', OTHER: 'x' };
    expect(await mistakes({ cwd, env, flags: { pricingModel: 'cpa' } })).toEqual([
      'millrace.yaml:1:1: no such option: slott (did you mean slot?)',
      'MILLRACE_POSTGRES_URI: no such option (did you mean MILLRACE_POSTGRES_URL?)',
      'millrace.yaml:3:1: loadConnections: expected a whole number from 1 to 32',
      'millrace.yaml:4:1: unfitPolicy: expected one of fail, null, clamp',
      'MILLRACE_EMBEDDED_POSTGRES_PORT: embeddedPostgresPort: expected a whole number from 1 to 65535',
      '--pricing-model: pricingModel: expected one of cpc, cpm',
    ]);
  });

  test.each([
    { name: 'a number', yaml: 'slot: 7\n' },
    { name: 'nothing', yaml: 'slot:\n' },
    { name: 'capitals', yaml: 'slot: Mine\n' },
    { name: 'a list', yaml: 'slot: [a]\n' },
  ])('GIVEN $name as a name THEN it is refused', async ({ yaml }) => {
    expect(await mistakes({ cwd: await directory(yaml) })).toEqual([
      expect.stringContaining('millrace.yaml:1:1: slot: expected'),
    ]);
  });

  test('GIVEN broken YAML THEN its place is told', async () => {
    expect(await mistakes({ cwd: await directory('slot: "open\n') })).toEqual([
      expect.stringMatching(/^millrace\.yaml:\d+:\d+: /),
    ]);
  });

  test('GIVEN a named file that is missing THEN it is an error', async () => {
    expect(await mistakes({ file: 'absent.yaml' })).toEqual([expect.stringContaining('absent.yaml: cannot be read')]);
  });

  test('GIVEN a secret in a wrong place THEN it is not repeated', async () => {
    const env = { MILLRACE_CLICKHOUSE_URL: 'postgres://me:hunter2@host/db', MILLRACE_POSTGRES_URL: 'hunter2' };
    expect(JSON.stringify(await mistakes({ env }))).not.toContain('hunter2');
  });
});
