/**
 * Watches the copy: looks at it at intervals, stores what is to be told, tells it.
 *
 *   measures ─► rules ─► transitions ─► stored ─► sent ─► stored as sent
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClickHouse } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { AppError, isAbort } from '../model/errors.ts';
import type { Log } from '../telemetry/log.ts';
import { ALERT_KINDS, type Alert, type AlertKind } from './alert.ts';
import { deliverDue, type DeliveryPatience, DELIVERY_PATIENCE, type Receiver } from './deliver.ts';
import { type CopyMeasures, type MeasureOptions, measureCampaigns, measureCopy } from './measures.ts';
import { CAMPAIGN_KINDS, examineCampaign, examineCopy, type Thresholds } from './rules.ts';
import { AlertStore } from './store.ts';
import { transitions } from './transitions.ts';

/** What is watched, and how. */
export interface AlertOptions {
  readonly clickhouse: ClickHouse;
  readonly names: Names;
  readonly pipeline: string;
  readonly timezone: string;
  readonly pricingModel: 'cpc' | 'cpm';
  readonly budgetKind: 'lifetime' | 'daily';
  readonly thresholds: Thresholds;
  readonly receivers: readonly Receiver[];
  readonly patience?: DeliveryPatience;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** The moment to look from; default: now. */
  readonly now?: () => Date;
}

/** Between two looks at what is to be sent, ms. */
const DELIVER_EVERY_MS = 1_000;

/**
 * Looks once, and stores what has changed.
 *
 * Figures of campaigns are left alone while the copy loads or is stale: what is missing in it would look like trouble of
 * the campaigns. Their alerts then stay as they are.
 *
 * @returns Alerts that were opened or resolved; null when there is no copy yet.
 */
export async function lookOnce(options: AlertOptions): Promise<Alert[] | null> {
  const { clickhouse, names, pipeline, thresholds } = options;
  const now = options.now?.() ?? new Date();
  const measured: MeasureOptions = { ...options, now, zeroDeliveryHours: thresholds.zeroDeliveryHours };
  const copy = await measureCopy(clickhouse, names, measured);
  if (copy === null) return null;
  const findings = examineCopy(copy, thresholds);
  const kinds = new Set<AlertKind>(kindsOf('copy'));
  if (isTrusted(copy, thresholds)) {
    const campaigns = await measureCampaigns(clickhouse, names, measured);
    findings.push(...campaigns.flatMap((campaign) => examineCampaign(campaign, thresholds)));
    for (const kind of CAMPAIGN_KINDS) kinds.add(kind);
  }
  const store = new AlertStore(clickhouse, names, pipeline);
  const receivers = options.receivers.map(({ to }) => to);
  const look = { pipeline, day: copy.day, nowMs: now.getTime(), findings, kinds, receivers };
  const changed = transitions(await store.readPresent(copy.day, options.signal), look);
  await store.write(changed, options.signal);
  for (const { id, kind, message, resolvedAtMs } of changed) {
    if (resolvedAtMs === null) options.log.warn({ alert: id, kind }, `alert: ${message}`);
    else options.log.info({ alert: id, kind }, 'alert is over');
  }
  return changed;
}

/** Sends what is due. @returns How many deliveries are left. */
export async function deliverOnce(options: AlertOptions): Promise<number> {
  const { clickhouse, names, pipeline, receivers, log, signal } = options;
  const store = new AlertStore(clickhouse, names, pipeline);
  return await deliverDue({ store, receivers, log, signal, patience: options.patience ?? DELIVERY_PATIENCE });
}

/** Watches until the signal aborts. A failure is told and waited out: nothing else depends on it. */
export async function watchAlerts(options: AlertOptions, intervalMs: number): Promise<void> {
  const { signal, log } = options;
  let lookAt = 0;
  let failure = '';
  let isReady = false;
  while (!signal.aborted) {
    try {
      if (performance.now() >= lookAt) {
        isReady = (await lookOnce(options)) !== null;
        lookAt = performance.now() + (isReady ? intervalMs : DELIVER_EVERY_MS);
      }
      if (isReady && options.receivers.length > 0) await deliverOnce(options);
      if (failure !== '') log.info('alerts are evaluated again');
      failure = '';
    } catch (error) {
      if (signal.aborted || isAbort(error)) return;
      if (!(error instanceof AppError)) throw error;
      // Once for each kind of trouble: a server that is down for hours is told by others too.
      if (failure !== error.code) log.warn({ err: error }, 'alerts cannot be evaluated or stored now: tried again');
      failure = error.code;
      lookAt = performance.now() + Math.min(intervalMs, 10_000);
    }
    await sleep(DELIVER_EVERY_MS, undefined, { signal }).catch((error: unknown) => {
      if (!isAbort(error)) throw error;
    });
  }
}

function isTrusted({ isIncomplete, staleSeconds }: CopyMeasures, thresholds: Thresholds): boolean {
  return !isIncomplete && staleSeconds !== null && staleSeconds <= thresholds.staleSeconds;
}

function kindsOf(subject: 'campaign' | 'copy'): AlertKind[] {
  return (Object.keys(ALERT_KINDS) as AlertKind[]).filter((kind) => ALERT_KINDS[kind].of === subject);
}
