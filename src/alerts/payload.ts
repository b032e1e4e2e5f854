/** What is sent to receivers. */
import { type Alert, ALERT_KINDS, type AlertEvent } from './alert.ts';

/** The body for webhooks. Fields are only ever added; `version` rises when one changes its meaning. */
export interface WebhookPayload {
  readonly version: 1;
  /** The same alert has the same id, however often it is sent. */
  readonly id: string;
  readonly event: AlertEvent;
  readonly kind: string;
  readonly severity: 'warning' | 'critical';
  readonly title: string;
  readonly message: string;
  /** null: the copy as a whole. */
  readonly campaign: { readonly id: number; readonly name: string } | null;
  /** `YYYY-MM-DD` in the reporting time zone. */
  readonly day: string;
  /** ISO 8601, UTC. */
  readonly openedAt: string;
  readonly resolvedAt: string | null;
  readonly facts: Readonly<Record<string, string | number | null>>;
}

/** The body for webhooks of one's own. */
export function webhookPayload(alert: Alert, event: AlertEvent): WebhookPayload {
  const { severity, title } = ALERT_KINDS[alert.kind];
  const { id, kind, message, campaign, day, facts } = alert;
  const openedAt = new Date(alert.openedAtMs).toISOString();
  const resolvedAt =
    event === 'resolved' && alert.resolvedAtMs !== null ? new Date(alert.resolvedAtMs).toISOString() : null;
  return { version: 1, id, event, kind, severity, title, message, campaign, day, openedAt, resolvedAt, facts };
}

/** The body for Slack's incoming webhooks. @see https://docs.slack.dev/messaging/formatting-message-text */
export function slackPayload(alert: Alert, event: AlertEvent): { text: string; blocks: object[] } {
  const { severity, title } = ALERT_KINDS[alert.kind];
  const mark = event === 'resolved' ? ':white_check_mark:' : severity === 'critical' ? ':red_circle:' : ':warning:';
  const head = event === 'resolved' ? `Over: ${title}` : title;
  const text = escapeSlack(alert.message);
  return {
    text: `${head}: ${text}`,
    blocks: [
      { type: 'section', text: { type: 'mrkdwn', text: `${mark} *${head}*\n${text}` } },
      { type: 'context', elements: [{ type: 'mrkdwn', text: `${alert.day} · \`${escapeSlack(alert.id)}\`` }] },
    ],
  };
}

/** A name from the source must not mention anybody or make a link. */
function escapeSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
