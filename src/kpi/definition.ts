/** What a key figure is: the one place from which its SQL, its view, its labels and its documentation come. */

/** What a column's values are. */
export type Unit = 'id' | 'text' | 'day' | 'time' | 'count' | 'ratio' | 'money' | 'flag';

/** One column of a result. */
export interface KpiColumn {
  readonly name: string;
  /** Heading for people. */
  readonly label: string;
  /** `ratio` is a fraction (0.08 is 8 %); `money` is in the currency of the bids, exact, as text. */
  readonly unit: Unit;
  /** How printers align it; `id` is a number without thousands. */
  readonly kind: 'id' | 'number' | 'text';
  /** What the value means, where the label does not say it. */
  readonly meaning?: string;
}

/** One key figure. `${database}` in its SQL stands for the users' database. */
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
  /** Parameters of the view beside `from` and `to`. */
  readonly hasPricingModel: boolean;
  /** Filters that apply to it. */
  readonly filters: readonly ('advertiser' | 'campaign')[];
  /** Longest range in days that is answered; null for any. */
  readonly maxDays: number | null;
  /** Columns of the report, in order. */
  readonly columns: readonly KpiColumn[];
  /** Body of the view, with parameters in braces. */
  readonly sql: string;
  /** The report over the view: what the command line shows. */
  readonly report: { readonly select: string; readonly groupBy?: string; readonly orderBy: string };
}

/** A column, with the alignment that its unit asks for. */
export function column(name: string, label: string, unit: Unit, meaning?: string): KpiColumn {
  const numeric = unit === 'count' || unit === 'ratio' || unit === 'money';
  const kind = numeric ? 'number' : unit === 'id' ? 'id' : 'text';
  return { name, label, unit, kind, ...(meaning === undefined ? {} : { meaning }) };
}

/** A report that shows the view's rows as they are. */
export function plainReport(columns: readonly KpiColumn[], orderBy: string): KpiDefinition['report'] {
  return { select: columns.map(({ name }) => name).join(', '), orderBy };
}
