/**
 * The rules: pure functions from figures and thresholds to what is to be told.
 *
 * A campaign is in flight from its first to its last day, both included; a bound that is missing is open.
 */
import type { AlertKind, Finding } from './alert.ts';
import type { CampaignMeasures, CopyMeasures, DayPart } from './measures.ts';

/** When something is worth an alert. */
export interface Thresholds {
  /** In flight, and no impression for so many hours. */
  readonly zeroDeliveryHours: number;
  /** Spend against what the elapsed days of the flight should have cost, in percent: told outside of this band. */
  readonly pacingBelowPercent: number;
  readonly pacingAbovePercent: number;
  /** Spend against the budget, in percent, from which on it is nearly used up. */
  readonly budgetPercent: number;
  /** How many standard deviations are unusual. */
  readonly anomalySigmas: number;
  /** For how long the copy may not be known to equal the source, s. */
  readonly staleSeconds: number;
}

/** Below so many expected impressions or so many clicks nothing is called unusual: chance is too large a part. */
const MIN_EXPECTED = 30;
/** So many earlier weeks are needed to know what is usual. */
const MIN_WEEKS = 2;

/** One rule for campaigns: null when there is nothing to tell. */
type CampaignRule = (c: CampaignMeasures, thresholds: Thresholds) => Told | null;

interface Told {
  readonly message: string;
  readonly facts: Finding['facts'];
}

const CAMPAIGN_RULES = {
  zero_delivery: (c, { zeroDeliveryHours: hours }) => {
    const hoursInFlight = c.daysSinceStart === null ? Infinity : 24 * c.daysSinceStart + c.hoursToday;
    if (!isInFlight(c) || isExhausted(c) || hoursInFlight < hours || c.recentImpressions > 0) return null;
    return { message: `is in flight and had no impression for ${hours} hours`, facts: { hours } };
  },
  pacing: (c, { pacingBelowPercent: below, pacingAbovePercent: above }) => {
    const { due, daysSinceStart: elapsed } = c;
    if (!isInFlight(c) || elapsed === null || due === null || due <= 0) return null;
    const percent = round((100 * c.flightSpend) / due);
    if (percent >= below && percent <= above) return null;
    const side = percent < below ? 'behind' : 'ahead of';
    return {
      message: `is ${side} schedule: in ${elapsed} days it has spent ${money(c.flightSpend)}, ${percent} % of the ${money(due)} due`,
      facts: { spend: money(c.flightSpend), due: money(due), percent, elapsedDays: elapsed },
    };
  },
  budget_low: (c, { budgetPercent }) => {
    if (!isInFlight(c) || c.budget <= 0 || isExhausted(c) || 100 * c.spend < budgetPercent * c.budget) return null;
    return { message: `has spent ${money(c.spend)} of its budget of ${money(c.budget)}`, facts: budgetFacts(c) };
  },
  budget_exhausted: (c) => {
    if (!isInFlight(c) || !isExhausted(c)) return null;
    return {
      message: `has used up its budget of ${money(c.budget)}: spend is ${money(c.spend)}`,
      facts: budgetFacts(c),
    };
  },
  volume_anomaly: (c, { anomalySigmas }) => {
    const usual = usualDays(c);
    if (!isInFlight(c) || usual.length < MIN_WEEKS) return null;
    const counts = usual.map(({ impressions }) => impressions);
    const expected = mean(counts);
    if (expected < MIN_EXPECTED) return null;
    // Counts vary at least as a Poisson process does; what they varied more before is not unusual now.
    const variance = Math.max(expected, sampleVariance(counts)) * (1 + 1 / counts.length);
    const sigmas = round((c.soFar.impressions - expected) / Math.sqrt(variance));
    if (Math.abs(sigmas) < anomalySigmas) return null;
    const facts = { impressions: c.soFar.impressions, expected: round(expected), sigmas, weeks: counts.length };
    return {
      message: `had ${c.soFar.impressions} impressions today until ${c.hoursToday}:00, against ${round(expected)} in the same hours of the weeks before`,
      facts,
    };
  },
  ctr_anomaly: (c, { anomalySigmas }) => {
    const usual = usualDays(c);
    const before = { impressions: total(usual, 'impressions'), clicks: total(usual, 'clicks') };
    if (!isInFlight(c) || usual.length < MIN_WEEKS || !isRate(before) || !isRate(c.soFar)) return null;
    const sigmas = round(twoProportions(c.soFar, before));
    const expected = (c.soFar.impressions * before.clicks) / before.impressions;
    if (Math.max(expected, c.soFar.clicks) < MIN_EXPECTED || Math.abs(sigmas) < anomalySigmas) return null;
    const [now, then] = [c.soFar, before].map(({ clicks, impressions }) => percentText(clicks / impressions));
    return {
      message: `has a CTR of ${now} today until ${c.hoursToday}:00, against ${then} in the same hours of the weeks before`,
      facts: { ctr: c.soFar.clicks / c.soFar.impressions, usualCtr: before.clicks / before.impressions, sigmas },
    };
  },
  clicks_exceed_impressions: ({ today }) => {
    if (today.clicks <= today.impressions) return null;
    return {
      message: `has ${today.clicks} clicks today, but ${today.impressions} impressions`,
      facts: { clicks: today.clicks, impressions: today.impressions },
    };
  },
} as const satisfies Partial<Record<AlertKind, CampaignRule>>;

/** Kinds that are found from figures of campaigns. */
export const CAMPAIGN_KINDS = Object.keys(CAMPAIGN_RULES) as readonly (keyof typeof CAMPAIGN_RULES)[];

/** What there is to tell of a campaign. */
export function examineCampaign(measures: CampaignMeasures, thresholds: Thresholds): Finding[] {
  const { id, name } = measures;
  return CAMPAIGN_KINDS.flatMap((kind): Finding[] => {
    const rule: CampaignRule = CAMPAIGN_RULES[kind];
    const told = rule(measures, thresholds);
    if (told === null) return [];
    return [
      { kind, campaign: { id, name }, message: `Campaign “${name}” (${id}) ${told.message}.`, facts: told.facts },
    ];
  });
}

/** What there is to tell of the copy. */
export function examineCopy({ staleSeconds, verified }: CopyMeasures, thresholds: Thresholds): Finding[] {
  const findings: Finding[] = [];
  if (staleSeconds !== null && staleSeconds > thresholds.staleSeconds) {
    const seconds = Math.round(staleSeconds);
    findings.push({
      kind: 'stale_data',
      campaign: null,
      message: `The copy has not been known to equal its source for ${seconds} s.`,
      facts: { seconds },
    });
  }
  if (verified?.verdict === 'different') {
    const { differences, at } = verified;
    findings.push({
      kind: 'verify_difference',
      campaign: null,
      message: `The verification of ${at} (UTC) found ${differences} differences between source and copy.`,
      facts: { differences, verifiedAt: at },
    });
  }
  return findings;
}

function isInFlight({ daysSinceStart, daysToEnd }: CampaignMeasures): boolean {
  return (daysSinceStart === null || daysSinceStart >= 0) && (daysToEnd === null || daysToEnd >= 0);
}

function isExhausted({ spend, budget }: CampaignMeasures): boolean {
  return budget > 0 && spend >= budget;
}

function budgetFacts({ spend, budget }: CampaignMeasures): Finding['facts'] {
  return { spend: money(spend), budget: money(budget), percent: round((100 * spend) / budget) };
}

/** The same hours of earlier weeks in which the campaign ran. */
function usualDays({ before, daysSinceStart }: CampaignMeasures): DayPart[] {
  return before.filter(({ impressions }, i) => {
    return impressions > 0 && (daysSinceStart === null || daysSinceStart >= 7 * (i + 1));
  });
}

/** Clicks can be more than impressions here; then they are no share of them. */
function isRate({ impressions, clicks }: DayPart): boolean {
  return impressions > 0 && clicks <= impressions;
}

/** z of the difference of two shares, under one pooled share. */
function twoProportions(a: DayPart, b: DayPart): number {
  const pooled = (a.clicks + b.clicks) / (a.impressions + b.impressions);
  const deviation = Math.sqrt(pooled * (1 - pooled) * (1 / a.impressions + 1 / b.impressions));
  return deviation === 0 ? 0 : (a.clicks / a.impressions - b.clicks / b.impressions) / deviation;
}

function total(days: readonly DayPart[], figure: keyof DayPart): number {
  return days.reduce((sum, day) => sum + day[figure], 0);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function sampleVariance(values: readonly number[]): number {
  const middle = mean(values);
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function money(value: number): string {
  return value.toFixed(2);
}

function percentText(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
