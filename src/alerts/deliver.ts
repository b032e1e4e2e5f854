/**
 * Tells receivers of stored alerts, at least once each. What was told is stored after it was told: a crash in between
 * tells it again, under the same id.
 */
import type { Log } from '../telemetry/log.ts';
import type { Alert, AlertEvent, Delivery } from './alert.ts';
import { slackPayload, webhookPayload } from './payload.ts';
import type { AlertStore } from './store.ts';

/** Where alerts are sent. URLs are secrets: they are in no log, no error and no table. */
export interface Receiver {
  readonly to: Delivery['to'];
  readonly url: string;
}

/** How a delivery is tried. */
export interface DeliveryPatience {
  /** A receiver that has not answered by then has failed, ms. */
  readonly timeoutMs: number;
  /** The first wait after a failure, doubled with each further one, ms. */
  readonly firstWaitMs: number;
  /** The longest, ms. */
  readonly lastWaitMs: number;
}

/** Half a minute's trouble is hardly noticed; an hour's costs twenty attempts. */
export const DELIVERY_PATIENCE: DeliveryPatience = { timeoutMs: 10_000, firstWaitMs: 1_000, lastWaitMs: 300_000 };

/** What is needed to deliver. */
export interface DeliverOptions {
  readonly store: AlertStore;
  readonly receivers: readonly Receiver[];
  readonly patience: DeliveryPatience;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Tries everything that is due, oldest first. A receiver that cannot be reached is left alone until the next round; one
 * that refuses a single alert gets the others.
 *
 * @returns How many deliveries are still to be made to the receivers given.
 */
export async function deliverDue(options: DeliverOptions): Promise<number> {
  const untold = await options.store.readUntold(options.signal);
  let left = 0;
  let alerts = untold;
  for (const receiver of options.receivers) {
    const round = await deliverTo(receiver, alerts, options);
    alerts = round.alerts;
    left += round.left;
  }
  return left;
}

async function deliverTo(
  receiver: Receiver,
  alerts: readonly Alert[],
  options: DeliverOptions,
): Promise<{ alerts: Alert[]; left: number }> {
  const after: Alert[] = [];
  let left = 0;
  let isAway = false;
  for (const before of alerts) {
    let alert = before;
    for (const [i, delivery] of before.deliveries.entries()) {
      if (delivery.to !== receiver.to || delivery.sent) continue;
      // In order: that it is over is of no use to who does not know that it began.
      const isFirst = !alert.deliveries.slice(0, i).some(({ to, sent }) => to === receiver.to && !sent);
      if (isAway || !isFirst || delivery.nextAtMs > Date.now()) {
        left++;
        continue;
      }
      const problem = await send(receiver, alert, delivery.event, options);
      alert = await note(alert, i, problem, options);
      if (problem === null) continue;
      left++;
      isAway = problem.isAway;
      const facts = { alert: alert.id, to: receiver.to, attempts: delivery.attempts + 1, error: problem.text };
      options.log.warn(facts, 'an alert could not be sent and is tried again');
    }
    after.push(alert);
  }
  return { alerts: after, left };
}

interface Problem {
  readonly text: string;
  /** The receiver is not there, or not well: other alerts would fail, too. */
  readonly isAway: boolean;
}

async function send(
  { to, url }: Receiver,
  alert: Alert,
  event: AlertEvent,
  { patience, signal }: DeliverOptions,
): Promise<Problem | null> {
  const body = to === 'slack' ? slackPayload(alert, event) : webhookPayload(alert, event);
  const headers = { 'content-type': 'application/json', 'idempotency-key': `${alert.id}:${event}` };
  const end = AbortSignal.any([signal, AbortSignal.timeout(patience.timeoutMs)]);
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
      redirect: 'manual',
      signal: end,
    });
    await response.body?.cancel();
    if (response.ok) return null;
    const { status } = response;
    return { text: `HTTP ${status}`, isAway: status >= 500 || status === 408 || status === 429 };
  } catch (error) {
    signal.throwIfAborted();
    return { text: reasonOf(error, patience), isAway: true };
  }
}

/** What is wrong, in words that hold nothing of the URL. */
function reasonOf(error: unknown, { timeoutMs }: DeliveryPatience): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${timeoutMs / 1000} s`;
  const cause: unknown = error instanceof Error ? error.cause : null;
  const code: unknown = cause instanceof Error && 'code' in cause ? cause.code : null;
  return typeof code === 'string' ? code : 'the connection failed';
}

async function note(alert: Alert, i: number, problem: Problem | null, options: DeliverOptions): Promise<Alert> {
  const deliveries = alert.deliveries.map((delivery, at): Delivery => {
    if (at !== i) return delivery;
    const attempts = delivery.attempts + 1;
    if (problem === null) return { ...delivery, sent: true, attempts, error: '' };
    const { firstWaitMs, lastWaitMs } = options.patience;
    const waitMs = Math.min(lastWaitMs, firstWaitMs * 2 ** delivery.attempts);
    return { ...delivery, attempts, nextAtMs: Date.now() + waitMs, error: problem.text };
  });
  const noted = { ...alert, seq: alert.seq + 1, deliveries };
  await options.store.write([noted], options.signal);
  return noted;
}
