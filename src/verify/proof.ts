/** The newest verification in a few words, for those who only want to know whether the copy was proved equal. */
import type { ClickHouse } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { AppError } from '../model/errors.ts';
import { formatLsn } from '../model/lsn.ts';
import { VerificationStore } from './store.ts';
import type { Verification } from './verification.ts';

/** A verification without its details. Positions are text, `16/B374D848`; times ISO 8601 in UTC. */
export interface Proof extends Pick<Verification, 'verdict' | 'mode' | 'differing'> {
  /** Everything committed before it was compared. */
  readonly lsn: string;
  readonly finishedAt: string;
}

/** ClickHouse codes of a copy that was never verified by a version that could: UNKNOWN_TABLE, UNKNOWN_DATABASE. */
const MISSING = new Set(['60', '81']);

/** The newest verification; null before the first one. */
export async function readProof(clickhouse: ClickHouse, names: Names, pipeline: string): Promise<Proof | null> {
  try {
    const last = await new VerificationStore(clickhouse, names, pipeline).readLast();
    if (last === null) return null;
    const { verdict, mode, differing } = last;
    return { verdict, mode, differing, lsn: formatLsn(last.lsn), finishedAt: last.finishedAt.toISOString() };
  } catch (error) {
    if (error instanceof AppError && MISSING.has(String(error.details['clickhouseCode']))) return null;
    throw error;
  }
}
