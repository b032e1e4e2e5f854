/**
 * The one table of options. From it come the types, the keys of `millrace.yaml`, the names of the
 * environment variables, the flags, the help and docs/config.md; load.ts checks values against it.
 *
 *   name `slot` → file key `slot`, environment `MILLRACE_SLOT`, flag `--slot`
 *
 * Plain data, without a schema library: `--help` must not wait for one.
 */

import type { GivenRule } from './table-keys.ts';

/** What the values of an option look like. */
export type Kind =
  /** A URL; may hold a password, so it is never printed as it is. */
  | { readonly type: 'url'; readonly protocols: readonly string[] }
  | { readonly type: 'path' }
  /** A name for a server object, lower case so that it needs no quotes anywhere. */
  | { readonly type: 'name' }
  /** A name of the IANA data base. */
  | { readonly type: 'timezone' }
  | { readonly type: 'integer'; readonly min: number; readonly max: number }
  /** A size in bytes: a number, or a text such as `16 MiB`. */
  | { readonly type: 'bytes'; readonly min: number; readonly max: number }
  /** Table patterns `schema.table`, where `*` stands for any characters; comma-separated outside the file. */
  | { readonly type: 'patterns' }
  /** Texts of one form; comma-separated outside the file. */
  | { readonly type: 'list'; readonly pattern: string; readonly example: string }
  | { readonly type: 'choice'; readonly choices: readonly string[] }
  /** Some text that is never printed. */
  | { readonly type: 'secret'; readonly minLength: number };

/** One option. */
export interface Option {
  readonly kind: Kind;
  /** The value when nothing else gives one; `null` means “not given”, and `absent` says what happens then. */
  readonly default: string | number | readonly string[] | null;
  /** What a missing value means, for options without a default. */
  readonly absent?: string;
  /** One sentence for help and docs. */
  readonly text: string;
  /** Heading in help and docs. */
  readonly group: 'Connections' | 'Copy' | 'Key figures' | 'Alerts' | 'Tuning' | 'Embedded engines' | 'Output';
}

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** Every option of Millrace, by the key used in the file. */
export const OPTIONS = {
  postgresUrl: {
    group: 'Connections',
    kind: { type: 'url', protocols: ['postgres:', 'postgresql:'] },
    default: null,
    absent: 'the embedded PostgreSQL',
    text: 'The source, for example postgres://user:password@host:5432/database.',
  },
  replicaUrl: {
    group: 'Connections',
    kind: { type: 'url', protocols: ['postgres:', 'postgresql:'] },
    default: null,
    absent: 'the source itself',
    text: 'A standby of the source, from which `millrace verify` reads rows.',
  },
  clickhouseUrl: {
    group: 'Connections',
    kind: { type: 'url', protocols: ['http:', 'https:'] },
    default: null,
    absent: 'the embedded ClickHouse',
    text: 'The destination, for example http://user:password@host:8123.',
  },
  dataDir: {
    group: 'Connections',
    kind: { type: 'path' },
    default: './.millrace',
    text: 'Directory of the embedded engines, and of the file that tells other commands where they are.',
  },
  slot: {
    group: 'Copy',
    kind: { type: 'name' },
    default: 'millrace',
    text: 'Replication slot in PostgreSQL; also the name of the pipeline.',
  },
  publication: {
    group: 'Copy',
    kind: { type: 'name' },
    default: 'millrace',
    text: 'Publication in PostgreSQL; created when it does not exist.',
  },
  database: {
    group: 'Copy',
    kind: { type: 'name' },
    default: 'ads',
    text: 'Database in ClickHouse for the copy, its rollups and its views.',
  },
  internalDatabase: {
    group: 'Copy',
    kind: { type: 'name' },
    default: 'millrace',
    text: 'Database in ClickHouse for the state of Millrace itself.',
  },
  includeTables: {
    group: 'Copy',
    kind: { type: 'patterns' },
    default: ['public.*'],
    text: 'Tables to copy.',
  },
  excludeTables: {
    group: 'Copy',
    kind: { type: 'patterns' },
    default: ['*.flyway_schema_history'],
    text: 'Tables not to copy, even when included.',
  },
  unfitPolicy: {
    group: 'Copy',
    kind: { type: 'choice', choices: ['fail', 'null', 'clamp'] },
    default: 'fail',
    text: 'What a value becomes that the copy cannot hold (infinity, NaN): an error, NULL, or the nearest; all are counted.',
  },
  maskSalt: {
    group: 'Copy',
    kind: { type: 'secret', minLength: 16 },
    default: null,
    absent: 'none: nothing can be hashed',
    text: 'What values are hashed with under `mask: hash`, at least 16 characters: without it nobody can try values out. Better given in the environment.',
  },
  walBudget: {
    group: 'Copy',
    kind: { type: 'bytes', min: MIB, max: 1024 * 1024 * GIB },
    default: 10 * GIB,
    text: 'WAL that the source may keep for the copy while it cannot follow; warned of from half of it on.',
  },
  walBudgetAction: {
    group: 'Copy',
    kind: { type: 'choice', choices: ['warn', 'drop'] },
    default: 'warn',
    text: 'What happens when the budget is used up: a warning, or, so that the source lives, the slot is dropped (the copy must then be loaded anew).',
  },
  journalMaxBytes: {
    group: 'Copy',
    kind: { type: 'bytes', min: 0, max: 1024 * 1024 * GIB },
    default: 0,
    text: 'Bytes of changes that may be kept on the disk here while ClickHouse is away, so that the source can free its WAL; 0: none, the source keeps it.',
  },
  journalDir: {
    group: 'Copy',
    kind: { type: 'path' },
    default: null,
    absent: 'the directory journal in the data directory',
    text: 'Directory of that journal. What it holds is nowhere else once the source was told: put it on a disk that is kept.',
  },
  journalAfterMs: {
    group: 'Copy',
    kind: { type: 'integer', min: 0, max: 86_400_000 },
    default: 30_000,
    text: 'How long ClickHouse must have been away before the journal is used, in milliseconds.',
  },
  eventHistory: {
    group: 'Copy',
    kind: { type: 'choice', choices: ['off', 'on'] },
    default: 'off',
    text: 'Whether every version of impressions and clicks is kept, and every commit, so that key figures can be asked as of any position of the past (`millrace kpi NAME --as-of`): about as many bytes as the events themselves. Switched off, what was kept is dropped.',
  },
  timezone: {
    group: 'Key figures',
    kind: { type: 'timezone' },
    default: 'UTC',
    text: 'Time zone of days and hours in key figures and alerts, for example Europe/Berlin.',
  },
  pricingModel: {
    group: 'Key figures',
    kind: { type: 'choice', choices: ['cpc', 'cpm'] },
    default: 'cpc',
    text: 'What a bid pays for: a click (cpc) or a thousand impressions (cpm).',
  },
  budgetKind: {
    group: 'Key figures',
    kind: { type: 'choice', choices: ['lifetime', 'daily'] },
    default: 'lifetime',
    text: 'What a budget is for: the whole life of a campaign (lifetime) or each local day (daily).',
  },
  pricingRules: {
    group: 'Key figures',
    kind: {
      type: 'list',
      pattern: '^(campaign|advertiser):-?\\d{1,10}=(cpc|cpm|lifetime|daily|(cpc|cpm)\\+(lifetime|daily))$',
      example: 'advertiser:7=cpm',
    },
    default: [],
    text: 'Exceptions from both for single campaigns, or all of an advertiser: `advertiser:7=cpm`, `campaign:12=daily`, `campaign:3=cpc+lifetime`. Written to the table pricing_rules when a pipeline starts; what is taken from the list is taken back there.',
  },
  alertInterval: {
    group: 'Alerts',
    kind: { type: 'integer', min: 0, max: 86_400 },
    default: 60,
    text: 'How often the copy is looked at for alerts while it runs, in seconds; 0: never.',
  },
  alertWebhook: {
    group: 'Alerts',
    kind: { type: 'secret', minLength: 8 },
    default: null,
    absent: 'none',
    text: 'URL that alerts are sent to as JSON, at least once each. Better given in the environment: never logged or printed.',
  },
  alertSlackWebhook: {
    group: 'Alerts',
    kind: { type: 'secret', minLength: 8 },
    default: null,
    absent: 'none',
    text: 'URL of a Slack incoming webhook that alerts are sent to. Better given in the environment: never logged or printed.',
  },
  alertZeroDeliveryHours: {
    group: 'Alerts',
    kind: { type: 'integer', min: 1, max: 720 },
    default: 6,
    text: 'A campaign in flight without an impression for so many hours is an alert.',
  },
  alertPacingBelow: {
    group: 'Alerts',
    kind: { type: 'integer', min: 0, max: 100 },
    default: 90,
    text: 'Spend below so many percent of what the elapsed days of the flight should have cost is an alert.',
  },
  alertPacingAbove: {
    group: 'Alerts',
    kind: { type: 'integer', min: 100, max: 10_000 },
    default: 125,
    text: 'Spend above so many percent of it is one, too.',
  },
  alertBudget: {
    group: 'Alerts',
    kind: { type: 'integer', min: 1, max: 100 },
    default: 90,
    text: 'Percent of the budget from which on it is nearly used up.',
  },
  alertAnomaly: {
    group: 'Alerts',
    kind: { type: 'integer', min: 2, max: 100 },
    default: 4,
    text: 'By how many standard deviations impressions or CTR of today must differ from the same hours of the weeks before.',
  },
  alertStale: {
    group: 'Alerts',
    kind: { type: 'integer', min: 10, max: 604_800 },
    default: 300,
    text: 'For how many seconds the copy may not be known to equal its source.',
  },
  loadConnections: {
    group: 'Tuning',
    kind: { type: 'integer', min: 1, max: 32 },
    default: 2,
    text: 'Parallel connections to PostgreSQL during the initial load.',
  },
  chunkRows: {
    group: 'Tuning',
    kind: { type: 'integer', min: 1000, max: 100_000_000 },
    default: 2_000_000,
    text: 'Rows per chunk of the initial load, about: a crash costs at most two chunks per connection, the one being read and the one on its way.',
  },
  chunkBytes: {
    group: 'Tuning',
    kind: { type: 'bytes', min: 64 * KIB, max: 1024 * MIB },
    default: 36 * MIB,
    text: 'Bytes per insert of the initial load.',
  },
  batchMaxBytes: {
    group: 'Tuning',
    kind: { type: 'bytes', min: 64 * KIB, max: 1024 * MIB },
    default: 16 * MIB,
    text: 'Bytes of changes after which a batch is written; bounds the memory of the stream.',
  },
  spoolDir: {
    group: 'Tuning',
    kind: { type: 'path' },
    default: null,
    absent: 'the directory for temporary files',
    text: 'Where transactions in progress wait for their commit once PostgreSQL streams them; on a disk, not in memory.',
  },
  spoolMaxBytes: {
    group: 'Tuning',
    kind: { type: 'bytes', min: 0, max: 1024 * 1024 * 1024 * MIB },
    default: 64 * 1024 * MIB,
    text: 'The most bytes that transactions in progress may take there; 0: PostgreSQL keeps them on its own disk, and sends each after its commit.',
  },
  minFlushIntervalMs: {
    group: 'Tuning',
    kind: { type: 'integer', min: 0, max: 600_000 },
    default: 10,
    text: 'Least time between two batches, in milliseconds: bounds the inserts per second.',
  },
  catalogPollMs: {
    group: 'Tuning',
    kind: { type: 'integer', min: 100, max: 3_600_000 },
    default: 5_000,
    text: 'How often the catalogue is asked whether a table was altered, in milliseconds. One that is changed afterwards is noticed at once.',
  },
  embeddedPostgresPort: {
    group: 'Embedded engines',
    kind: { type: 'integer', min: 1, max: 65_535 },
    default: null,
    absent: 'any free port',
    text: 'Port of the embedded PostgreSQL.',
  },
  embeddedClickhousePort: {
    group: 'Embedded engines',
    kind: { type: 'integer', min: 1, max: 65_535 },
    default: null,
    absent: 'any free port',
    text: 'HTTP port of the embedded ClickHouse.',
  },
  trafficRate: {
    group: 'Embedded engines',
    kind: { type: 'integer', min: 0, max: 100_000 },
    default: 50,
    text: 'Row changes per second, about, of the demo traffic of `millrace up` on embedded engines; 0 for none.',
  },
  logLevel: {
    group: 'Output',
    kind: { type: 'choice', choices: ['silent', 'error', 'warn', 'info', 'debug', 'trace'] },
    default: 'info',
    text: 'Least severe log line to print on stderr: silent, error, warn, info, debug, trace.',
  },
} as const satisfies Record<string, Option>;

/** A key of the table above. */
export type OptionName = keyof typeof OPTIONS;

type Table = typeof OPTIONS;

type Given<K> = K extends { choices: readonly (infer Choice)[] }
  ? Choice
  : K extends { type: 'integer' | 'bytes' }
    ? number
    : K extends { type: 'patterns' | 'list' }
      ? readonly string[]
      : string;

/** The values of all options. */
export type OptionValues = {
  readonly [Name in OptionName]: Given<Table[Name]['kind']> | (Table[Name]['default'] extends null ? null : never);
};

/** All options with their values, and the rules for tables. Holds secrets: print it only through `printableConfig`. */
export interface Config extends OptionValues {
  /** Rules as they were written, see table-keys.ts; later ones win. Resolved by table-rules.ts. */
  readonly tables: readonly GivenRule[];
}

/** Names of all options, in the order of the table. */
export const OPTION_NAMES = Object.keys(OPTIONS) as OptionName[];

/** The option's environment variable: `postgresUrl` → `MILLRACE_POSTGRES_URL`. */
export function environmentName(name: OptionName): string {
  return `MILLRACE_${name.replaceAll(/[A-Z]/g, '_$&').toUpperCase()}`;
}

/** The option's flag: `postgresUrl` → `--postgres-url`. */
export function flagName(name: OptionName): string {
  return `--${name.replaceAll(/[A-Z]/g, '-$&').toLowerCase()}`;
}

/** What stands for the value in help: `--slot <name>`, `--pricing-model <cpc|cpm>`. */
export function placeholder(name: OptionName): string {
  const { kind }: Option = OPTIONS[name];
  if (kind.type === 'choice') return kind.choices.length > 4 ? '<level>' : `<${kind.choices.join('|')}>`;
  if (kind.type === 'integer') return '<number>';
  if (kind.type === 'timezone') return '<zone>';
  return kind.type === 'bytes' ? '<size>' : `<${kind.type}>`;
}

/** The default as people write it: `16 MiB`, `public.*`, or what a missing value means. */
export function defaultText(name: OptionName): string {
  const option: Option = OPTIONS[name];
  if (option.default === null) return option.absent ?? 'none';
  if (Array.isArray(option.default)) return option.default.join(', ');
  if (option.kind.type === 'bytes') return sizeText(Number(option.default));
  return String(option.default);
}

function sizeText(bytes: number): string {
  return bytes % GIB === 0 ? `${bytes / GIB} GiB` : `${bytes / MIB} MiB`;
}
