/** Alerts as they are kept in ClickHouse (sql/clickhouse/V18__alerts.sql). */
import type { ClickHouse } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { chIdent } from '../model/quote.ts';
import { type Alert, ALERT_KINDS, type AlertKind, type Delivery, type Finding } from './alert.ts';

/** Which alerts to list. */
export interface AlertFilter {
  /** Only those that are open. */
  readonly open?: boolean;
  /** Only those opened from then on. */
  readonly sinceMs?: number;
  readonly limit?: number;
}

/** Writes and reads the alerts of one pipeline. */
export class AlertStore {
  readonly #clickhouse: ClickHouse;
  readonly #internal: string;
  readonly #pipeline: string;

  constructor(clickhouse: ClickHouse, names: Names, pipeline: string) {
    this.#clickhouse = clickhouse;
    this.#internal = chIdent(names.internal);
    this.#pipeline = pipeline;
  }

  /** Stores alerts in their present state, all or none; durable when it returns. */
  async write(alerts: readonly Alert[], signal?: AbortSignal): Promise<void> {
    if (alerts.length === 0) return;
    const lines = alerts.map((alert) => JSON.stringify({ pipeline: this.#pipeline, ...rowOf(alert) }));
    const settings = { input_format_skip_unknown_fields: 0, date_time_input_format: 'basic' };
    const sql = `INSERT INTO ${this.#internal}.alerts (pipeline, ${COLUMNS}) FORMAT JSONEachRow`;
    await this.#clickhouse.insert(sql, [Buffer.from(`${lines.join('\n')}\n`)], { settings, signal });
  }

  /** What the next look has to know: alerts that are open, and all of a day. */
  async readPresent(day: string, signal?: AbortSignal): Promise<Alert[]> {
    return await this.#read('isNull(resolved_at) OR day = {day:Date32}', { day }, { signal });
  }

  /** Alerts of which something is still to be told, oldest first. */
  async readUntold(signal?: AbortSignal): Promise<Alert[]> {
    return await this.#read(`position(deliveries, '"sent":false') > 0`, {}, { signal });
  }

  /** Alerts, newest first. */
  async list({ open, sinceMs, limit }: AlertFilter = {}): Promise<Alert[]> {
    const conditions = [
      ...(open === true ? ['isNull(resolved_at)'] : []),
      ...(sinceMs === undefined ? [] : ['opened_at >= fromUnixTimestamp64Milli({since:Int64})']),
    ];
    const where = conditions.length === 0 ? 'true' : conditions.join(' AND ');
    return await this.#read(where, { since: sinceMs ?? 0 }, { order: 'DESC', limit });
  }

  async #read(
    where: string,
    params: Record<string, unknown>,
    options: { order?: 'DESC'; limit?: number | undefined; signal?: AbortSignal | undefined },
  ): Promise<Alert[]> {
    const limit = options.limit === undefined ? '' : `LIMIT ${options.limit}`;
    const rows = await this.#clickhouse.rows<AlertRow>(
      `SELECT ${COLUMNS}, toUnixTimestamp64Milli(opened_at) AS opened_ms, toUnixTimestamp64Milli(resolved_at) AS resolved_ms
       FROM ${this.#internal}.alerts FINAL WHERE pipeline = {pipeline:String} AND (${where})
       ORDER BY opened_at ${options.order ?? ''}, id ${limit}`,
      { params: { ...params, pipeline: this.#pipeline }, signal: options.signal },
    );
    return rows.filter(({ kind }) => Object.hasOwn(ALERT_KINDS, kind)).map(alertOf);
  }
}

const COLUMNS =
  'id, seq, kind, severity, campaign_id, campaign, day, message, facts, opened_at, resolved_at, resolution, deliveries';

interface AlertRow {
  readonly id: string;
  readonly seq: string;
  readonly kind: AlertKind;
  readonly campaign_id: number | null;
  readonly campaign: string | null;
  readonly day: string;
  readonly message: string;
  readonly facts: string;
  readonly opened_ms: string;
  readonly resolved_ms: string | null;
  readonly resolution: Alert['resolution'];
  readonly deliveries: string;
}

function rowOf(alert: Alert): Record<string, unknown> {
  const clock = (ms: number): string => new Date(ms).toISOString().slice(0, 23).replace('T', ' ');
  return {
    id: alert.id,
    seq: alert.seq,
    kind: alert.kind,
    severity: ALERT_KINDS[alert.kind].severity,
    campaign_id: alert.campaign?.id ?? null,
    campaign: alert.campaign?.name ?? null,
    day: alert.day,
    message: alert.message,
    facts: JSON.stringify(alert.facts),
    opened_at: clock(alert.openedAtMs),
    resolved_at: alert.resolvedAtMs === null ? null : clock(alert.resolvedAtMs),
    resolution: alert.resolution,
    deliveries: JSON.stringify(alert.deliveries),
  };
}

function alertOf(row: AlertRow): Alert {
  const { id, kind, day, message, resolution, campaign_id: campaignId } = row;
  return {
    id,
    kind,
    day,
    message,
    resolution,
    seq: Number(row.seq),
    campaign: campaignId === null ? null : { id: campaignId, name: row.campaign ?? '' },
    // Both were written by rowOf.
    facts: JSON.parse(row.facts) as Finding['facts'],
    deliveries: JSON.parse(row.deliveries) as Delivery[],
    openedAtMs: Number(row.opened_ms),
    resolvedAtMs: row.resolved_ms === null ? null : Number(row.resolved_ms),
  };
}
