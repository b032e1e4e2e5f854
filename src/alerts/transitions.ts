/**
 * From what is stored and what was found to what is to be stored: alerts that open, go on, or are over.
 *
 *   found, not stored      → opened, to be told
 *   found, resolved today  → open again, not told again: one alert per kind, campaign and day
 *   found, open since yesterday → that of yesterday ends silently, one of today opens
 *   not found, open        → resolved, to be told; unless its kind was not looked at just now
 */
import { type Alert, type AlertEvent, type AlertKind, alertId, type Delivery, type Finding } from './alert.ts';

/** What was found in one look. */
export interface Look {
  readonly pipeline: string;
  readonly day: string;
  readonly nowMs: number;
  readonly findings: readonly Finding[];
  /** Kinds that were looked at: alerts of others stay as they are. */
  readonly kinds: ReadonlySet<AlertKind>;
  /** Who is told. */
  readonly receivers: readonly Delivery['to'][];
}

/**
 * @param stored Alerts that are open, and all of the day.
 * @returns Alerts to be written, in their new state.
 */
export function transitions(stored: readonly Alert[], look: Look): Alert[] {
  const byId = new Map(stored.map((alert) => [alert.id, alert]));
  const found = new Set(look.findings.map((finding) => causeOf(finding)));
  const changed: Alert[] = [];
  for (const finding of look.findings) {
    const before = byId.get(alertId(look.pipeline, finding, look.day));
    if (before === undefined) changed.push(opened(finding, look));
    else if (before.resolvedAtMs !== null)
      changed.push({ ...before, seq: before.seq + 1, resolvedAtMs: null, resolution: '' });
  }
  for (const alert of stored) {
    if (alert.resolvedAtMs !== null || !look.kinds.has(alert.kind)) continue;
    const goesOn = found.has(causeOf(alert));
    if (goesOn && alert.day === look.day) continue;
    changed.push(resolved(alert, look, goesOn ? 'next_day' : 'over'));
  }
  return changed;
}

function causeOf({ kind, campaign }: Finding): string {
  return `${kind}:${campaign?.id ?? 'copy'}`;
}

function opened(finding: Finding, look: Look): Alert {
  return {
    ...finding,
    id: alertId(look.pipeline, finding, look.day),
    seq: 1,
    day: look.day,
    openedAtMs: look.nowMs,
    resolvedAtMs: null,
    resolution: '',
    deliveries: look.receivers.map((to) => pending(to, 'opened')),
  };
}

/** The end is told to those who are told of the beginning, once. */
function resolved(alert: Alert, look: Look, resolution: 'over' | 'next_day'): Alert {
  const isTold = (to: Delivery['to'], event: AlertEvent): boolean =>
    alert.deliveries.some((delivery) => delivery.to === to && delivery.event === event);
  const receivers = look.receivers.filter((to) => isTold(to, 'opened') && !isTold(to, 'resolved'));
  const told = resolution === 'over' ? receivers.map((to) => pending(to, 'resolved')) : [];
  const deliveries = [...alert.deliveries, ...told];
  return { ...alert, seq: alert.seq + 1, resolvedAtMs: look.nowMs, resolution, deliveries };
}

function pending(to: Delivery['to'], event: AlertEvent): Delivery {
  return { to, event, sent: false, attempts: 0, nextAtMs: 0, error: '' };
}
