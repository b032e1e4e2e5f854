/** `millrace alerts`: what needs somebody's attention, as the running pipeline has found it or as it is just now. */
import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { type Alert, ALERT_KINDS } from '../../alerts/alert.ts';
import { AlertStore } from '../../alerts/store.ts';
import { deliverOnce, lookOnce } from '../../alerts/watch.ts';
import { ClickHouse } from '../../destination/client.ts';
import { AppError } from '../../model/errors.ts';
import { alertOptions } from '../alerting.ts';
import { type Context, openContext } from '../context.ts';
import { renderJson, renderTable } from '../print.ts';

const EXAMPLES = `
Examples:
  millrace alerts                        the newest 100
  millrace alerts --open                 those that are not over
  millrace alerts --since 2026-03-01     those opened from that day on (UTC); or 24h, 7d
  millrace alerts --evaluate             look now, store and send what is found, and list it`;

const LIMIT = 100;

/** The command `alerts`. */
export function alertsCommand() {
  return new Command('alerts')
    .description('Lists alerts, newest first. They are looked for while `run` or `up` runs, see alertInterval.')
    .option('--open', 'only those that are not over')
    .addOption(new Option('--since <when>', 'only those opened since a day, or so many hours or days').argParser(since))
    .option('--evaluate', 'look now, store and send what is found')
    .addHelpText('after', EXAMPLES)
    .action(async (options, command) => {
      const context = await openContext(command);
      await using clickhouse = new ClickHouse(context.endpoints.clickhouse, { applicationName: 'millrace alerts' });
      const open = alertOptions(context, clickhouse, context.signal);
      if (options.evaluate === true) {
        if ((await lookOnce(open)) === null) throw noCopy(context);
        await deliverOnce(open);
      }
      const store = new AlertStore(clickhouse, open.names, open.pipeline);
      const filter = { ...options, ...(options.since === undefined ? {} : { sinceMs: options.since }), limit: LIMIT };
      const alerts = await store.list(filter).catch((error: unknown) => {
        throw isMissing(error) ? noCopy(context) : error;
      });
      process.stdout.write(
        context.json ? renderJson(alerts.map(alertJson)) : alertsText(alerts, options.open === true),
      );
    });
}

/** An alert for programs: the fields of the webhook, and what was sent. */
function alertJson(alert: Alert): Record<string, unknown> {
  const { id, kind, campaign, day, message, facts, deliveries } = alert;
  const { severity, title } = ALERT_KINDS[kind];
  return {
    id,
    kind,
    severity,
    title,
    message,
    campaign,
    day,
    openedAt: new Date(alert.openedAtMs).toISOString(),
    resolvedAt: alert.resolvedAtMs === null ? null : new Date(alert.resolvedAtMs).toISOString(),
    facts,
    deliveries: deliveries.map(({ to, event, sent, attempts, error }) => ({ to, event, sent, attempts, error })),
  };
}

function alertsText(alerts: readonly Alert[], isOpenOnly: boolean): string {
  if (alerts.length === 0) return isOpenOnly ? 'no open alerts\n' : 'no alerts\n';
  const rows = alerts.map((alert) => ({
    opened: new Date(alert.openedAtMs).toISOString().slice(0, 16).replace('T', ' '),
    state: alert.resolvedAtMs === null ? 'open' : 'over',
    severity: ALERT_KINDS[alert.kind].severity,
    kind: alert.kind,
    sent: sentText(alert),
    message: alert.message,
  }));
  const columns = ['opened', 'state', 'severity', 'kind', 'sent', 'message'].map(
    (name) => ({ name, kind: 'text' }) as const,
  );
  return renderTable(columns, rows, process.stdout.isTTY ? { width: process.stdout.columns, colour: true } : {});
}

/** `2/2`, `1/2: HTTP 500`, or null without receivers. */
function sentText({ deliveries }: Alert): string | null {
  if (deliveries.length === 0) return null;
  const failed = deliveries.find(({ sent, error }) => !sent && error !== '');
  const share = `${deliveries.filter(({ sent }) => sent).length}/${deliveries.length}`;
  return failed === undefined ? share : `${share}: ${failed.error}`;
}

function since(text: string): number {
  const [, number, unit] = /^(\d{1,5})([hd])$/.exec(text) ?? [];
  if (number !== undefined) return Date.now() - Number(number) * (unit === 'h' ? 3_600_000 : 86_400_000);
  const ms = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  if (Number.isNaN(ms)) throw new InvalidArgumentError('It must be a day such as 2026-03-01, or 24h, or 7d.');
  return ms;
}

/** ClickHouse: UNKNOWN_TABLE, UNKNOWN_DATABASE. */
function isMissing(error: unknown): boolean {
  return error instanceof AppError && ['60', '81'].includes(String(error.details['clickhouseCode']));
}

function noCopy({ config }: Context): AppError {
  return new AppError('NOT_RUNNING', `there is no copy in “${config.database}” yet`);
}
