/** Ways of asking that take turns: over some rounds each time zone, grain, level, price and budget has been asked for. */
import { GRAINS, LEVELS } from '../../kpi/query.ts';
import type { Asked } from './asked.ts';

/** Clocks change in some, hours begin inside those of UTC in others, and one is a day ahead of another. */
export const ZONES = [
  'UTC',
  'Europe/Berlin',
  'Asia/Kolkata',
  'America/New_York',
  'Australia/Lord_Howe',
  'Pacific/Auckland',
  'Asia/Kathmandu',
] as const;

const MS_PER_DAY = 86_400_000;

/** How the figures are asked after a round: of the days around now, each third time of all time. */
export function askedInRound(round: number, now: Date): Asked {
  const day = (offset: number): string => new Date(now.getTime() + offset * MS_PER_DAY).toISOString().slice(0, 10);
  const grain = turn(GRAINS, round);
  const around = { from: day(grain === 'hour' ? -2 : -9), to: day(2) };
  const isOfAllTime = round % 3 === 2;
  return {
    ...(isOfAllTime ? { from: '1900-01-01', to: '2299-12-31' } : around),
    now: now.toISOString().slice(0, 23).replace('T', ' '),
    timezone: isOfAllTime ? 'UTC' : turn(ZONES, round),
    grain: isOfAllTime ? 'total' : grain,
    by: turn(LEVELS, Math.floor(round / GRAINS.length) + round),
    pricingModel: round % 2 === 0 ? 'cpc' : 'cpm',
    budgetKind: round % 4 < 2 ? 'lifetime' : 'daily',
    hours: 1 + (round % 12),
    throughView: round % 5 < 2,
  };
}

function turn<T>(all: readonly T[], number: number): T {
  const found = all[number % all.length];
  if (found === undefined) throw new TypeError('nothing to take turns with');
  return found;
}
