/** All key figures, by name. */
import { ADVERTISERS_KPI } from './advertisers.ts';
import { CTR_KPI } from './ctr.ts';
import type { KpiDefinition } from './definition.ts';
import { DAILY_KPI, HOURLY_KPI } from './delivery.ts';
import { SPEND_KPI } from './spend.ts';

/** The key figures in the order in which they are listed. */
export const KPIS = {
  ctr: CTR_KPI,
  daily: DAILY_KPI,
  hourly: HOURLY_KPI,
  spend: SPEND_KPI,
  advertisers: ADVERTISERS_KPI,
} as const satisfies Record<string, KpiDefinition>;

/** A key figure's name. */
export type KpiName = keyof typeof KPIS;
