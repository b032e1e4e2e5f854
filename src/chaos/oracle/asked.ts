/** How a key figure is asked, of the copy and of the oracle alike. */
import type { FilterName, KpiDefinition } from '../../kpi/definition.ts';
import { type KpiName, KPIS } from '../../kpi/definitions.ts';
import type { Grain, KpiRequest, Level } from '../../kpi/query.ts';

/** What a figure is asked with. Days in the time zone; `now` in UTC, with microseconds. */
export interface Asked {
  readonly from: string;
  readonly to: string;
  readonly now: string;
  readonly timezone: string;
  readonly grain: Grain;
  readonly by: Level;
  readonly pricingModel: 'cpc' | 'cpm';
  readonly budgetKind: 'lifetime' | 'daily';
  readonly hours: number;
  readonly advertiser?: number;
  readonly campaign?: number;
  /** The copy is asked through the figures' views, as in SQL. */
  readonly throughView?: boolean;
}

/** Longest range by hours, in days. */
const MAX_DAYS_BY_HOUR = 92;
const MS_PER_DAY = 86_400_000;

/** False for figures that refuse so long a range. */
export function isAnswered(name: KpiName, { from, to, grain }: Asked): boolean {
  const { params, maxDays }: KpiDefinition = KPIS[name];
  const limit = params.includes('grain') && grain === 'hour' ? MAX_DAYS_BY_HOUR : maxDays;
  return !params.includes('from') || limit === null || (Date.parse(to) - Date.parse(from)) / MS_PER_DAY < limit;
}

/** Whether a filter narrows this figure: each takes those that it has, and by a level only what that level tells. */
export function isNarrowed(name: KpiName, asked: Asked, filter: FilterName): boolean {
  const { filters, params }: KpiDefinition = KPIS[name];
  if (asked[filter] === undefined || !filters.includes(filter)) return false;
  if (!params.includes('by')) return true;
  return (
    asked.by === 'campaign' || (asked.by === 'advertiser' && filter === 'advertiser' && asked.campaign === undefined)
  );
}

/** The same as a request to the copy. */
export function requestOf(name: KpiName, asked: Asked): KpiRequest {
  const { from, to, advertiser, campaign, ...rest } = asked;
  const { params }: KpiDefinition = KPIS[name];
  return {
    ...rest,
    ...(params.includes('from') ? { from, to } : {}),
    ...(isNarrowed(name, asked, 'advertiser') ? { advertiser } : {}),
    ...(isNarrowed(name, asked, 'campaign') ? { campaign } : {}),
  };
}

/** In words, for messages. */
export function askedText(asked: Asked): string {
  return Object.entries(asked)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}
