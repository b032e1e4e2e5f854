/** What an alert is: something that somebody should look at, once per kind, campaign and day. */

/** Every kind of alert: whether it is of a campaign or of the copy, how bad it is, and what it says. */
export const ALERT_KINDS = {
  zero_delivery: { of: 'campaign', severity: 'critical', title: 'No delivery' },
  pacing: { of: 'campaign', severity: 'warning', title: 'Pacing out of band' },
  budget_low: { of: 'campaign', severity: 'warning', title: 'Budget nearly used up' },
  budget_exhausted: { of: 'campaign', severity: 'critical', title: 'Budget used up' },
  volume_anomaly: { of: 'campaign', severity: 'warning', title: 'Unusual number of impressions' },
  ctr_anomaly: { of: 'campaign', severity: 'warning', title: 'Unusual CTR' },
  clicks_exceed_impressions: { of: 'campaign', severity: 'warning', title: 'More clicks than impressions' },
  stale_data: { of: 'copy', severity: 'critical', title: 'Stale data' },
  verify_difference: { of: 'copy', severity: 'critical', title: 'Copy and source differ' },
} as const satisfies Record<string, AlertMeaning>;

interface AlertMeaning {
  readonly of: 'campaign' | 'copy';
  readonly severity: 'warning' | 'critical';
  readonly title: string;
}

/** A key of the table above. */
export type AlertKind = keyof typeof ALERT_KINDS;

/** Whose alert it is. */
export interface Subject {
  readonly id: number;
  readonly name: string;
}

/** What a rule has found. */
export interface Finding {
  readonly kind: AlertKind;
  /** null: the copy as a whole. */
  readonly campaign: Subject | null;
  /** One sentence for people. */
  readonly message: string;
  /** The figures behind it, by name; money as text. */
  readonly facts: Readonly<Record<string, string | number | null>>;
}

/** What is told to receivers of an alert. */
export type AlertEvent = 'opened' | 'resolved';

/** How far the telling of one event to one receiver is. */
export interface Delivery {
  readonly to: 'webhook' | 'slack';
  readonly event: AlertEvent;
  readonly sent: boolean;
  readonly attempts: number;
  /** ms since 1970: not tried again before. */
  readonly nextAtMs: number;
  /** Why the last attempt failed; empty when none did. */
  readonly error: string;
}

/** A stored alert. */
export interface Alert extends Finding {
  readonly id: string;
  readonly seq: number;
  /** `YYYY-MM-DD` in the reporting time zone. */
  readonly day: string;
  readonly openedAtMs: number;
  /** null: open. */
  readonly resolvedAtMs: number | null;
  /** Empty while it is open. */
  readonly resolution: '' | 'over' | 'next_day';
  readonly deliveries: readonly Delivery[];
}

/** The identity of an alert: the same cause on the same day gives the same id. */
export function alertId(pipeline: string, { kind, campaign }: Finding, day: string): string {
  return `${pipeline}:${kind}:${campaign === null ? 'copy' : campaign.id}:${day}`;
}
