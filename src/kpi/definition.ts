/** What a key figure is: the one place from which its SQL, its view, its labels and its documentation come. */

/**
 * What a column's values are; `estimate` is money that was computed in floating point. What each is in JSON: json-schema.ts.
 */
export type Unit = 'id' | 'text' | 'day' | 'time' | 'count' | 'number' | 'ratio' | 'money' | 'estimate' | 'flag';

/** One column of a result. */
export interface KpiColumn {
  readonly name: string;
  /** Heading for people. */
  readonly label: string;
  /** `ratio` is a fraction (0.08 is 8 %); `money` is in the currency of the bids; `time` is in UTC. */
  readonly unit: Unit;
  /** How printers align it; `id` is a number without thousands. */
  readonly kind: 'id' | 'number' | 'text';
  /** What the value means, where the label does not say it. */
  readonly meaning?: string;
}

/** A parameter of the views. */
interface Param {
  /** Its type in ClickHouse. */
  readonly type: string;
  /** Its value in the examples. */
  readonly example: string;
  readonly meaning: string;
}

/** All parameters of the views, in the order in which they are listed. */
export const PARAMS = {
  from: { type: 'Date32', example: '2026-03-01', meaning: 'first day, in the time zone' },
  to: { type: 'Date32', example: '2026-03-07', meaning: 'last day, included' },
  now: {
    type: "DateTime64(6, 'UTC')",
    example: '2026-03-07 10:00:00',
    meaning: 'the moment the figures are of, in UTC: for reproducible results the commit time of the applied position',
  },
  timezone: { type: 'String', example: 'UTC', meaning: 'in which days and hours are meant, for example Europe/Berlin' },
  grain: { type: 'String', example: 'day', meaning: 'hour, day, week (from Monday), month or total' },
  by: { type: 'String', example: 'platform', meaning: 'platform, advertiser or campaign' },
  pricing_model: {
    type: 'String',
    example: 'cpc',
    meaning: 'what a bid pays for, unless the campaign has another rule: cpc (a click) or cpm (a thousand impressions)',
  },
  budget_kind: {
    type: 'String',
    example: 'lifetime',
    meaning: 'what a budget is for, unless the campaign has another rule: lifetime or daily',
  },
  hours: { type: 'UInt32', example: '6', meaning: 'whole hours without an impression that are too many' },
} as const satisfies Record<string, Param>;

/** A parameter's name. */
export type ParamName = keyof typeof PARAMS;

/** Conditions on the whole: how a report may be narrowed. */
export type FilterName = 'advertiser' | 'campaign';

/**
 * One key figure. In its SQL stand `${database}` for the users' database, and for what it reads (see sources.ts):
 * `${facts}`, `${campaigns}`, `${live_priced_campaigns}`, `${advertisers}`, `${versions}`, `${events}`, `${as_of}`, `${whole_hours}`, and the sums of short-cuts.ts.
 */
export interface KpiDefinition {
  /** Name of the key figure; its view is `kpi_<name>`. */
  readonly name: string;
  readonly title: string;
  /** What it tells, in one sentence. */
  readonly description: string;
  readonly formula: string;
  /** Units of its figures, in words. */
  readonly unit: string;
  /** What one row of the report is. */
  readonly grain: string;
  /** What is NULL, and when. */
  readonly nullRule: string;
  readonly caveats: readonly string[];
  /** Name of the parameterised view, without its database. */
  readonly view: string;
  /** Parameters of the view. */
  readonly params: readonly ParamName[];
  /** Filters that apply to it. */
  readonly filters: readonly FilterName[];
  /** Longest range in days that is answered; null for any. */
  readonly maxDays: number | null;
  /** The finest limits of local time that its figures are cut at: they may lie inside an hour of UTC. */
  readonly cuts: 'none' | 'day' | 'hour';
  /** Where its figures come from; `events`: not for a page that is read often; `copy`: it is about the copy itself, now. */
  readonly source: 'rollup' | 'events' | 'state' | 'copy';
  /** Columns of the report, in order. */
  readonly columns: readonly KpiColumn[];
  /** Body of the view, with parameters in braces. */
  readonly sql: string;
  /** The report over the view: what the command line shows. */
  readonly report: {
    readonly select: string;
    readonly groupBy?: string;
    readonly orderBy: string;
    /** What the report of everybody reads instead of the view: summed before gaps are filled. */
    readonly whole?: string;
    /** What the report of the platform reads where no campaign has a rule for its price: sums of all campaigns together. */
    readonly platform?: string;
  };
}

const NUMERIC: ReadonlySet<Unit> = new Set(['count', 'number', 'ratio', 'money', 'estimate']);

/** A column, with the alignment that its unit asks for. */
export function column(name: string, label: string, unit: Unit, meaning?: string): KpiColumn {
  const numeric = NUMERIC.has(unit);
  const kind = numeric ? 'number' : unit === 'id' ? 'id' : 'text';
  return { name, label, unit, kind, ...(meaning === undefined ? {} : { meaning }) };
}

/** A report that shows the view's rows as they are. */
export function plainReport(columns: readonly KpiColumn[], orderBy: string): KpiDefinition['report'] {
  return { select: columns.map(({ name }) => name).join(', '), orderBy };
}
