/**
 * Every key figure by plain SQL on the source, event by event: what the copy must say. It shares no code with the figures
 * themselves; bids and deleted rows of before come from an audit by triggers (../audit.ts).
 */
import type pg from 'pg';
import { type KpiName, KPIS } from '../../kpi/definitions.ts';
import { pgRows, type TextRow } from '../../source/connection.ts';
import { type Asked, isNarrowed } from './asked.ts';
import { COUNT_FIGURES } from './counts.ts';
import { MONEY_FIGURES } from './money.ts';
import { askedTables, ORACLE_TABLES, withAsked } from './tables.ts';

const FIGURES: Readonly<Record<KpiName, string>> = { ...COUNT_FIGURES, ...MONEY_FIGURES };

/** Columns that the oracle leaves out: words made from the other columns, and what is of this moment. */
const LEFT_OUT: Partial<Record<KpiName, readonly string[]>> = {
  health: ['reason'],
  freshness: ['commit_time', 'equal_at', 'age_seconds', 'lag_bytes', 'silent_seconds'],
};

/** The columns of a figure that are compared: all but those few. */
export function comparedColumns(name: KpiName): string[] {
  return KPIS[name].columns.map((column) => column.name).filter((column) => LEFT_OUT[name]?.includes(column) !== true);
}

/** What the figures are by the source. */
export interface Oracle {
  /** All rows of a figure, in no order; all values as text. */
  rows(name: KpiName, asked: Asked): Promise<TextRow[]>;
}

/**
 * Runs something with an oracle of the source as it is now: in a transaction that is rolled back, so that nothing is left.
 * The audit must be dated by commit, and nothing else may use the session meanwhile.
 */
export async function withOracle<T>(client: pg.Client, run: (oracle: Oracle) => Promise<T>): Promise<T> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  try {
    await client.query(ORACLE_TABLES);
    let present: Asked | null = null;
    const rows = async (name: KpiName, asked: Asked): Promise<TextRow[]> => {
      if (present !== asked) await client.query(askedTables(asked));
      present = asked;
      return await pgRows(client, figureSql(name, asked));
    };
    return await run({ rows });
  } finally {
    await client.query('ROLLBACK');
  }
}

function figureSql(name: KpiName, asked: Asked): string {
  const condition = (columns: { advertiser: string; campaign: string }): string =>
    [
      'true',
      ...(['advertiser', 'campaign'] as const)
        .filter((filter) => isNarrowed(name, asked, filter))
        .map((filter) => `${columns[filter]} = ${asked[filter]}`),
    ].join(' AND ');
  const sql = withAsked(FIGURES[name], asked)
    .replaceAll(':whose', condition({ advertiser: 'x.advertiser_id', campaign: 'x.campaign_id' }))
    .replaceAll(':whom', condition({ advertiser: 'advertiser_id', campaign: 'id' }));
  const hasIds = KPIS[name].columns.some((column) => column.name === 'advertiser_id');
  return hasIds
    ? `SELECT * FROM (${sql}) figure WHERE ${condition({ advertiser: 'advertiser_id', campaign: 'campaign_id' })}`
    : sql;
}

/**
 * Campaigns that had several states in one commit: the copy may give them one version, so that their list of changes is not
 * that of the audit. In force was the last, on both sides.
 */
export async function foldedCampaigns(client: pg.Client): Promise<Set<string>> {
  const rows = await pgRows(
    client,
    "SELECT DISTINCT id FROM audit.version WHERE tbl = 'campaign' AND NOT gone AND at IS NOT NULL GROUP BY id, at HAVING count(*) > 1",
  );
  return new Set(rows.map((row) => String(row['id'])));
}
