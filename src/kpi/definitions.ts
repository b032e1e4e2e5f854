/** All key figures, by name. */
import { ADVERTISERS_KPI } from './advertisers.ts';
import { BUDGET_KPI, PACING_KPI } from './budget.ts';
import { CAMPAIGNS_KPI, CHANGES_KPI } from './changes.ts';
import { ANOMALIES_KPI, COMPARISON_KPI } from './comparison.ts';
import { CTR_KPI } from './ctr.ts';
import type { KpiDefinition } from './definition.ts';
import { DAILY_KPI, HOURLY_KPI } from './delivery.ts';
import { CAP_OUT_KPI, TIME_TO_CLICK_KPI } from './events.ts';
import { FRESHNESS_KPI } from './freshness.ts';
import { HEALTH_KPI, QUALITY_KPI, ZERO_DELIVERY_KPI } from './health.ts';
import { CAMPAIGN_DAYS_KPI, HEATMAP_KPI, SHARE_KPI } from './patterns.ts';
import { RANKING_KPI } from './ranking.ts';
import { DELIVERY_KPI } from './series.ts';
import { SPEND_KPI } from './spend.ts';

/** The key figures in the order in which they are listed. */
export const KPIS = {
  ctr: CTR_KPI,
  ranking: RANKING_KPI,
  delivery: DELIVERY_KPI,
  daily: DAILY_KPI,
  hourly: HOURLY_KPI,
  spend: SPEND_KPI,
  budget: BUDGET_KPI,
  pacing: PACING_KPI,
  cap_out: CAP_OUT_KPI,
  health: HEALTH_KPI,
  zero_delivery: ZERO_DELIVERY_KPI,
  advertisers: ADVERTISERS_KPI,
  campaigns: CAMPAIGNS_KPI,
  share: SHARE_KPI,
  heatmap: HEATMAP_KPI,
  campaign_days: CAMPAIGN_DAYS_KPI,
  comparison: COMPARISON_KPI,
  anomalies: ANOMALIES_KPI,
  changes: CHANGES_KPI,
  quality: QUALITY_KPI,
  time_to_click: TIME_TO_CLICK_KPI,
  freshness: FRESHNESS_KPI,
} as const satisfies Record<string, KpiDefinition>;

/** A key figure's name. */
export type KpiName = keyof typeof KPIS;
