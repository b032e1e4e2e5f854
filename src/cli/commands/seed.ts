/** `millrace seed`: generated data for the source. */
import { Command } from '@commander-js/extra-typings';
import {
  seedAdvertisers,
  seedBatch,
  seedCampaigns,
  seedClicks,
  seedImpressions,
  seedReset,
  seedStats,
  seedTraffic,
} from './seed-actions.ts';
import { parseDuration, parseNumber, parseTime } from './seed-options.ts';

const SEED = ['--seed <number>', 'repeat the data of this seed (default: a new one, printed)'] as const;
const NOW = ['--now <time>', 'generate as if it were this time, for example 2026-03-01T12:00:00Z'] as const;
const DAYS = ['--days <number>', 'spread impressions over so many past days'] as const;

/** The command with its subcommands. All but `traffic` do their work in one transaction. */
export function seedCommand(): Command {
  const command = new Command('seed').description(
    'Fills the source with generated advertisers, campaigns, impressions and clicks.',
  );
  addRowCommands(command);
  addEventCommands(command);
  command
    .command('stats')
    .description('show what is in the source')
    .action(async (_options, self) => seedStats(self));
  command
    .command('reset')
    .description('delete all rows of the source (ids go on)')
    .option('--yes', 'do not ask')
    .action(async (options, self) => seedReset(self, { isConfirmed: options.yes === true }));
  command
    .command('traffic')
    .description('change the source continuously, in every way that a replica must follow')
    .option('--rate <number>', 'row changes per second, about', parseNumber, 200)
    .option('--for <duration>', 'how long: 60s, 5m, 1h (default: until stopped)', parseDuration)
    .option(...SEED, parseNumber)
    .action(async (options, self) => seedTraffic(self, options));
  return command;
}

function addRowCommands(command: Command): void {
  command
    .command('batch')
    .description('add advertisers, their campaigns, and impressions and clicks of these')
    .option('--advertisers <number>', 'advertisers', parseNumber, 2)
    .option('--campaigns <number>', 'campaigns per advertiser', parseNumber, 3)
    .option('--impressions <number>', 'impressions per campaign', parseNumber, 100)
    .option('--ctr <ratio>', 'clicks per impression, 0 to 1', parseNumber, 0.1)
    .option(...DAYS, parseNumber, 7)
    .option('--skew', 'give few campaigns most of the traffic (Zipf), in the rhythm of the day')
    .option(...SEED, parseNumber)
    .option(...NOW, parseTime)
    .action(async (options, self) => seedBatch(self, { ...options, skew: options.skew === true }));
  command
    .command('advertisers')
    .description('add advertisers')
    .option('--count <number>', 'how many', parseNumber, 1)
    .option(...SEED, parseNumber)
    .option(...NOW, parseTime)
    .action(async (options, self) => seedAdvertisers(self, options));
  command
    .command('campaigns')
    .description('add campaigns to an advertiser')
    .requiredOption('--advertiser-id <id>', 'the advertiser', parseNumber)
    .option('--count <number>', 'how many', parseNumber, 1)
    .option(...SEED, parseNumber)
    .option(...NOW, parseTime)
    .action(async (options, self) => seedCampaigns(self, options));
}

function addEventCommands(command: Command): void {
  command
    .command('impressions')
    .description('add impressions to a campaign')
    .requiredOption('--campaign-id <id>', 'the campaign', parseNumber)
    .option('--count <number>', 'how many', parseNumber, 100)
    .option(...DAYS, parseNumber, 7)
    .option(...SEED, parseNumber)
    .option(...NOW, parseTime)
    .action(async (options, self) => seedImpressions(self, options));
  command
    .command('clicks')
    .description("add clicks to a sample of a campaign's impressions, each 1–120 s after its impression")
    .requiredOption('--campaign-id <id>', 'the campaign', parseNumber)
    .option('--ratio <ratio>', 'clicks per impression, 0 to 1', parseNumber, 0.1)
    .option(...SEED, parseNumber)
    .action(async (options, self) => seedClicks(self, options));
}
