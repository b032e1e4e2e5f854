/** Empties the source. */
import type pg from 'pg';
import { inTransaction } from './transaction.ts';

/** Events before what they refer to. */
const TABLES = ['clicks', 'impressions', 'campaign', 'advertiser'] as const;

/** Rows deleted from each table. */
export type Deleted = Record<(typeof TABLES)[number], number>;

/**
 * Deletes all rows of the four tables, in one transaction. DELETE and not TRUNCATE, and the sequences go on:
 * new rows get new ids.
 */
export async function resetSource(client: pg.Client): Promise<Deleted> {
  return inTransaction(client, async () => {
    const deleted: Deleted = { clicks: 0, impressions: 0, campaign: 0, advertiser: 0 };
    for (const table of TABLES) {
      const result = await client.query(`DELETE FROM public.${table}`);
      deleted[table] = result.rowCount ?? 0;
    }
    return deleted;
  });
}
