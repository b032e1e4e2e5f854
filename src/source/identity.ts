/** Which source it is, and which branch of its history: system identifier, timelines, end of the log. */
import type pg from 'pg';
import { parseLsn, type Lsn } from '../model/lsn.ts';
import { connectPostgres, pgRows } from './connection.ts';

/** What identifies a source and its log. */
export interface SourceIdentity {
  /** System identifier and database: positions of two clusters cannot be compared. */
  readonly sourceId: string;
  readonly database: string;
  readonly timeline: number;
  /** Earlier timelines, and where each ended. */
  readonly ancestors: readonly { readonly timeline: number; readonly endLsn: Lsn }[];
  /** Where the log ends: nothing was ever sent from behind it. */
  readonly endLsn: Lsn;
}

/** Asks the server, over a replication connection of its own: only that knows the timeline right after a promotion. */
export async function identifySource(client: pg.Client, url: string): Promise<SourceIdentity> {
  const [row] = await pgRows(client, 'SELECT current_database() AS database, pg_current_wal_insert_lsn() AS lsn');
  const walsender = await connectPostgres(url, { replication: true, applicationName: 'millrace identity' });
  try {
    const [system] = await pgRows(walsender, 'IDENTIFY_SYSTEM');
    const timeline = Number(system?.['timeline']);
    const database = row?.['database'] ?? '';
    return {
      sourceId: `${system?.['systemid']}/${database}`,
      database,
      timeline,
      ancestors: timeline > 1 ? await readAncestors(walsender, timeline) : [],
      endLsn: parseLsn(row?.['lsn'] ?? ''),
    };
  } finally {
    await walsender.end();
  }
}

async function readAncestors(walsender: pg.Client, timeline: number): Promise<SourceIdentity['ancestors']> {
  const [file] = await pgRows(walsender, `TIMELINE_HISTORY ${timeline}`);
  return parseTimelineHistory(file?.['content'] ?? '');
}

/**
 * Reads a timeline history file: `<timeline> <end> <reason>` per line, comments after #.
 *
 * @param content The text, or its bytes as `\x…` (the type that the server names for it differs between versions).
 */
export function parseTimelineHistory(content: string): { timeline: number; endLsn: Lsn }[] {
  const text = content.startsWith('\\x') ? Buffer.from(content.slice(2), 'hex').toString() : content;
  const lines = text.matchAll(/^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/gim);
  return [...lines].map(([, timeline, end]) => ({ timeline: Number(timeline), endLsn: parseLsn(end ?? '') }));
}
