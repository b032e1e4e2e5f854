#!/usr/bin/env node
/**
 * The command line: finds the command, loads only its code, and turns errors into messages and exit codes.
 *
 * Exit codes: 0 good, 1 a bug or a difference found, 2 the user's input or environment.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, type CommandUnknownOpts, Option } from '@commander-js/extra-typings';
import { defaultText, flagName, OPTION_NAMES, OPTIONS, type OptionName, placeholder } from '../config/options.ts';
import { isAbort } from '../model/errors.ts';
import { exitCodeOf, printError } from './failure.ts';
import { stopOnBrokenPipe } from './shutdown.ts';

interface Entry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandUnknownOpts>;
}

/** The commands, in the order in which a new user meets them. Modules are loaded when they are called. */
const COMMANDS: readonly Entry[] = [
  {
    name: 'up',
    summary: 'run everything, on embedded engines unless URLs are given',
    load: async () => (await import('./commands/up.ts')).upCommand(),
  },
  {
    name: 'check',
    summary: 'examine both servers and say what must be changed, and how',
    load: async () => (await import('./commands/check.ts')).checkCommand(),
  },
  {
    name: 'init',
    summary: 'propose a configuration from what the source holds',
    load: async () => (await import('./commands/init.ts')).initCommand(),
  },
  {
    name: 'plan',
    summary: 'show what the next start would create or change',
    load: async () => (await import('./commands/plan.ts')).planCommand(),
  },
  {
    name: 'apply',
    summary: 'create or bring up to date what Millrace needs in both servers',
    load: async () => (await import('./commands/apply.ts')).applyCommand(),
  },
  {
    name: 'run',
    summary: 'replicate until stopped',
    load: async () => (await import('./commands/run.ts')).runCommand(),
  },
  {
    name: 'status',
    summary: 'show how far the copy is',
    load: async () => (await import('./commands/status.ts')).statusCommand(),
  },
  {
    name: 'verify',
    summary: 'prove that source and copy are equal, show and repair what is not',
    load: async () => (await import('./commands/verify.ts')).verifyCommand(),
  },
  {
    name: 'losses',
    summary: 'show which values the copy holds something else for',
    load: async () => (await import('./commands/losses.ts')).lossesCommand(),
  },
  {
    name: 'kpi',
    summary: 'list the key figures, or show one',
    load: async () => (await import('./commands/kpi.ts')).kpiCommand(),
  },
  {
    name: 'alerts',
    summary: 'list what needs somebody’s attention',
    load: async () => (await import('./commands/alerts.ts')).alertsCommand(),
  },
  {
    name: 'seed',
    summary: 'fill the source with generated data',
    load: async () => (await import('./commands/seed.ts')).seedCommand(),
  },
  {
    name: 'chaos',
    summary: 'break a copy of its own on purpose, and compare it after each round',
    load: async () => (await import('./commands/chaos.ts')).chaosCommand(),
  },
  {
    name: 'resync',
    summary: 'load tables again, while readers keep what is there',
    load: async () => (await import('./commands/resync.ts')).resyncCommand(),
  },
  {
    name: 'rebuild',
    summary: 'compute the rollup anew from the mirrors',
    load: async () => (await import('./commands/rebuild.ts')).rebuildCommand(),
  },
  {
    name: 'pause',
    summary: 'leave changes of tables out, the others are followed',
    load: async () => (await import('./commands/tables.ts')).pauseCommand(),
  },
  {
    name: 'resume',
    summary: 'follow paused tables again',
    load: async () => (await import('./commands/tables.ts')).resumeCommand(),
  },
  {
    name: 'add',
    summary: 'copy tables that the configuration leaves out',
    load: async () => (await import('./commands/tables.ts')).addCommand(),
  },
  {
    name: 'drop',
    summary: 'follow tables no more',
    load: async () => (await import('./commands/tables.ts')).dropCommand(),
  },
  {
    name: 'teardown',
    summary: 'remove the slot and the publication from the source',
    load: async () => (await import('./commands/teardown.ts')).teardownCommand(),
  },
];

const EXAMPLES = `
Examples:
  millrace up                          try it: engines, data, copy and key figures on this machine
  millrace check --postgres-url URL    what must be changed in a server of your own
  millrace status --json               how far the copy is, for scripts
  millrace kpi ctr                     one key figure
  millrace kpi list                    all of them`;

/** Settings that most commands use; the others are listed at the end. */
const COMMON: readonly OptionName[] = ['postgresUrl', 'clickhouseUrl', 'dataDir', 'logLevel'];

/** Runs one command line and returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  stopOnBrokenPipe(process.stdout);
  stopOnBrokenPipe(process.stderr);
  try {
    const program = await buildProgram(args);
    await program.parseAsync(args, { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    // Help was asked for, or (exit code 1) shown because no command was given.
    if (error instanceof CommanderError && /^commander\.(help|version)/.test(error.code)) return error.exitCode * 2;
    if (isAbort(error)) return 130;
    printError(error, { json: args.includes('--json'), debug: wantsStack(args) });
    return exitCodeOf(error);
  }
}

async function buildProgram(args: readonly string[]): Promise<CommandUnknownOpts> {
  const program = new Command('millrace')
    .description(
      'Keeps an analytical copy of a PostgreSQL database in ClickHouse: live, exact, with key figures on top.',
    )
    .version(version(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .option('--config <path>', 'configuration file (default: millrace.yaml, when there is one)')
    .option('--json', 'print JSON on stdout, and errors as JSON on stderr')
    .option('--quiet', 'print results and errors only')
    .showSuggestionAfterError(true)
    .addHelpText('after', `${EXAMPLES}\n\n${settingsText()}`);
  for (const name of OPTION_NAMES) program.addOption(settingOption(name));
  for (const entry of COMMANDS) program.addCommand(await commandOf(entry, args));
  for (const command of [program as CommandUnknownOpts, ...descendants(program)]) quieten(command);
  return program;
}

function settingOption(name: OptionName): Option {
  const option = new Option(`${flagName(name)} ${placeholder(name)}`, `${OPTIONS[name].text} [${defaultText(name)}]`);
  return option.hideHelp(!COMMON.includes(name));
}

/** The settings below the examples: a long list that is rarely what somebody looks for. */
function settingsText(): string {
  const lines = OPTION_NAMES.filter((name) => !COMMON.includes(name)).map((name) => {
    const flag = `${flagName(name)} ${placeholder(name)}`;
    return `  ${flag.padEnd(36)} ${OPTIONS[name].text} [${defaultText(name)}]`;
  });
  return `Settings (also in millrace.yaml, or as MILLRACE_… in the environment; see docs/config.md):\n${lines.join('\n')}`;
}

/** The command itself when the arguments may call it, else only its line in the help. */
async function commandOf({ name, summary, load }: Entry, args: readonly string[]): Promise<CommandUnknownOpts> {
  const command = args.includes(name) ? await load() : new Command(name);
  return command.summary(summary);
}

function descendants(command: CommandUnknownOpts): CommandUnknownOpts[] {
  return command.commands.flatMap((child) => [child, ...descendants(child)]);
}

/** Errors are thrown to `main`, which prints them in one form. */
function quieten(command: CommandUnknownOpts): void {
  command.exitOverride().configureOutput({ outputError: () => undefined });
}

function version(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function wantsStack(args: readonly string[]): boolean {
  const level = process.env['MILLRACE_LOG_LEVEL'] ?? '';
  return /--log-level[= ](debug|trace)/.test(args.join(' ')) || /^(debug|trace)$/.test(level);
}

process.exitCode = await main(process.argv.slice(2));
