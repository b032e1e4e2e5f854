import { afterEach, expect, test, vi } from 'vitest';
import { temporaryAdSource } from '../../../test/support/ad-source.ts';
import { readStatistics } from '../../generator/statistics.ts';
import { Command, CommanderError, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { seedCommand } from './seed.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

/** Runs `millrace seed ARGS --json` against a source and returns what it prints. */
async function seed(url: string, args: readonly string[]): Promise<unknown> {
  vi.stubEnv('MILLRACE_POSTGRES_URL', url);
  const printed: string[] = [];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
  const program = new Command('millrace').option('--json').addCommand(seedCommand());
  for (const command of descendants(program)) command.exitOverride().configureOutput({ writeErr: () => undefined });
  try {
    await program.parseAsync(['seed', ...args, '--json'], { from: 'user' });
  } finally {
    write.mockRestore();
  }
  return JSON.parse(printed.join(''));
}

function descendants(command: CommandUnknownOpts): CommandUnknownOpts[] {
  return [command, ...command.commands.flatMap((child) => descendants(child))];
}

test('GIVEN an empty source WHEN the commands of the task are run THEN each does its part', async () => {
  await using source = await temporaryAdSource();
  const { url } = source;
  expect(await seed(url, ['batch', '--seed', '1'])).toMatchObject({
    advertisers: 2,
    campaigns: 6,
    impressions: 600,
    clicks: 60,
    seed: 1,
  });
  expect(await seed(url, ['advertisers'])).toMatchObject({ ids: [3] });
  expect(await seed(url, ['campaigns', '--advertiser-id', '3', '--count', '2'])).toMatchObject({ ids: [7, 8] });
  expect(await seed(url, ['clicks', '--campaign-id', '7'])).toMatchObject({ impressions: 0, clicks: 0 });
  expect(await seed(url, ['impressions', '--campaign-id', '7'])).toMatchObject({ impressions: 100 });
  expect(await seed(url, ['clicks', '--campaign-id', '7', '--ratio', '0.12'])).toMatchObject({
    impressions: 100,
    clicks: 12,
  });
  expect(await seed(url, ['stats'])).toMatchObject({ advertisers: 3, campaigns: 8, impressions: 700, clicks: 72 });
  expect(await seed(url, ['traffic', '--for', '200ms', '--rate', '50'])).toMatchObject({ conflicts: 0 });
  expect(await seed(url, ['reset', '--yes'])).toMatchObject({ deleted: { advertiser: expect.any(Number) } });
  expect(await readStatistics(source.client)).toMatchObject({ advertisers: 0, impressions: 0, clicks: 0 });
});

test.each([
  [['batch', '--ctr', '1.5']],
  [['batch', '--advertisers', '-1']],
  [['batch', '--days', '0']],
  [['batch', '--seed', '-3']],
  [['advertisers', '--count', '1.5']],
  [['campaigns', '--advertiser-id', '0']],
  [['impressions', '--campaign-id', '1', '--count', '-1']],
  [['clicks', '--campaign-id', '1', '--ratio', '7']],
  [['traffic', '--rate', '0']],
])('GIVEN %j WHEN run THEN it is a USAGE error and nothing is written', async (args) => {
  await using source = await temporaryAdSource();
  await expect(seed(source.url, args)).rejects.toMatchObject({ code: 'USAGE' });
  expect(await readStatistics(source.client)).toMatchObject({ advertisers: 0, campaigns: 0 });
});

test.each([
  [['batch', '--impressions', 'many']],
  [['batch', '--now', 'yesterday']],
  [['campaigns']],
  [['impressions', '--count', '5']],
  [['traffic', '--for', 'ever']],
  [['stats', '--wrong']],
])('GIVEN %j WHEN read THEN the command line is refused', async (args) => {
  await expect(seed('postgres://nobody@127.0.0.1:1/none', args)).rejects.toBeInstanceOf(CommanderError);
});

test('GIVEN no server WHEN a command is run THEN it says that it cannot be reached', async () => {
  const unreachable = seed('postgres://nobody@127.0.0.1:1/none', ['batch']);
  await expect(unreachable).rejects.toMatchObject({ code: 'POSTGRES_UNREACHABLE', exitCode: 2 });
});

test('GIVEN no terminal and no --yes WHEN reset THEN it is refused and nothing is deleted', async () => {
  await using source = await temporaryAdSource();
  await seed(source.url, ['batch']);
  vi.spyOn(process, 'stdin', 'get').mockReturnValue({ isTTY: false } as typeof process.stdin);
  await expect(seed(source.url, ['reset'])).rejects.toMatchObject({ code: 'USAGE' });
  expect(await readStatistics(source.client)).toMatchObject({ advertisers: 2, impressions: 600 });
});
