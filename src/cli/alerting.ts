/** Alerts as the configuration wants them, and beside a running pipeline. */
import { type AlertOptions, watchAlerts } from '../alerts/watch.ts';
import type { Receiver } from '../alerts/deliver.ts';
import type { Config } from '../config/options.ts';
import { ClickHouse } from '../destination/client.ts';
import { AppError } from '../model/errors.ts';
import type { Session } from './context.ts';

/** What is watched and who is told, by the configuration. @throws {AppError} `CONFIG_INVALID`. */
export function alertOptions({ config, log }: Session, clickhouse: ClickHouse, signal: AbortSignal): AlertOptions {
  return {
    clickhouse,
    names: { database: config.database, internal: config.internalDatabase },
    pipeline: config.slot,
    timezone: config.timezone,
    pricingModel: config.pricingModel,
    budgetKind: config.budgetKind,
    thresholds: {
      zeroDeliveryHours: config.alertZeroDeliveryHours,
      pacingBelowPercent: config.alertPacingBelow,
      pacingAbovePercent: config.alertPacingAbove,
      budgetPercent: config.alertBudget,
      anomalySigmas: config.alertAnomaly,
      staleSeconds: config.alertStale,
    },
    receivers: receivers(config),
    log,
    signal,
  };
}

/** Runs something, and watches for alerts until it has ended. */
export async function withAlerts<T>(
  session: Session,
  clickhouseUrl: string,
  signal: AbortSignal,
  run: () => Promise<T>,
): Promise<T> {
  const { alertInterval } = session.config;
  if (alertInterval === 0) return await run();
  const end = new AbortController();
  const ending = AbortSignal.any([signal, end.signal]);
  // No statement of theirs holds up the stop, whatever ClickHouse does.
  await using clickhouse = new ClickHouse(clickhouseUrl, { applicationName: 'millrace alerts', signal: ending });
  const options = alertOptions(session, clickhouse, ending);
  const watching = watchAlerts(options, alertInterval * 1000);
  try {
    return await run();
  } finally {
    end.abort();
    await watching;
  }
}

function receivers({ alertWebhook, alertSlackWebhook }: Config): Receiver[] {
  const found: Receiver[] = [];
  if (alertWebhook !== null) found.push({ to: 'webhook', url: checked('alertWebhook', alertWebhook) });
  if (alertSlackWebhook !== null) found.push({ to: 'slack', url: checked('alertSlackWebhook', alertSlackWebhook) });
  return found;
}

/** The value is not repeated: it is a secret. */
function checked(option: string, url: string): string {
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw new AppError('CONFIG_INVALID', `${option}: expected a URL that begins with http:// or https://`);
}
