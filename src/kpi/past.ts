/** Which moment of the past a question is about: position or time to the end of a commit that the copy knows. */
import type { ClickHouse } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { AppError } from '../model/errors.ts';
import { formatLsn, type Lsn, maxLsn, parseLsn } from '../model/lsn.ts';
import { chIdent } from '../model/quote.ts';

/** A moment of the past. */
export interface Past {
  /** The end of the last commit that it holds. */
  readonly lsn: string;
  /** Of that commit, in UTC. */
  readonly commit_time: string;
  /** Versions below this are of it or of earlier commits. */
  readonly below: Lsn;
  readonly loading: false;
}

/** From where to where the copy knows its past. */
interface Extent {
  readonly pipeline: string;
  /** When every table had been loaded, or the keeping of events began. */
  readonly fromLsn: Lsn;
  readonly appliedLsn: Lsn;
  readonly appliedTime: string;
  /** Version of rows that were loaded: 0, or the start of the slot at a resync. */
  readonly baseVersion: Lsn;
}

const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d{1,6})?)?)?(Z|[+-]\d\d:?\d\d)?$/;

/**
 * The moment of the past that a text means.
 *
 * @param text A position, `16/B374D848`; or a time, `2026-03-07 10:00`, with `Z` or an offset, in UTC without.
 *   A position means everything committed up to it; a time everything before the first commit that is later, as
 *   `recovery_target_time` of PostgreSQL does.
 * @throws {AppError} `USAGE` for any other text; `AS_OF_UNKNOWN` when the copy does not know its past then.
 */
export async function resolvePast(clickhouse: ClickHouse, names: Names, text: string): Promise<Past> {
  const isPosition = text.includes('/');
  const time = isPosition ? null : utcText(text);
  const extent = await readExtent(clickhouse, names);
  const limit = isPosition
    ? positionWithin(text, extent)
    : await endAt(clickhouse, names, { extent, time: time ?? '' });
  const [commit] = await clickhouse.rows<{ end_lsn: string; commit_time: string }>(
    `SELECT end_lsn, toString(commit_time) AS commit_time FROM ${chIdent(names.internal)}.commits
     WHERE pipeline = {pipeline:String} AND end_lsn <= {limit:UInt64} ORDER BY end_lsn DESC LIMIT 1`,
    { params: { pipeline: extent.pipeline, limit: String(limit) } },
  );
  if (commit === undefined) throw tooEarly(text, extent);
  const end = BigInt(commit.end_lsn);
  const below = end > extent.baseVersion ? end : extent.baseVersion + 1n;
  return { lsn: formatLsn(end), commit_time: commit.commit_time, below, loading: false };
}

function positionWithin(text: string, extent: Extent): Lsn {
  const lsn = parseLsn(text);
  if (lsn < extent.fromLsn) throw tooEarly(text, extent);
  if (lsn > extent.appliedLsn) throw tooLate(text, extent);
  return lsn;
}

/** The end of the last commit before the first that is later than the time. */
async function endAt(
  clickhouse: ClickHouse,
  names: Names,
  { extent, time }: { extent: Extent; time: string },
): Promise<Lsn> {
  const params = { pipeline: extent.pipeline, time, applied: String(extent.appliedLsn) };
  const commits = `${chIdent(names.internal)}.commits`;
  const [row] = await clickhouse.rows<{ end: string | null; later: string | null }>(
    `WITH (SELECT minOrNull(end_lsn) FROM ${commits} WHERE pipeline = {pipeline:String} AND end_lsn <= {applied:UInt64}
       AND commit_time > toDateTime64({time:String}, 6, 'UTC')) AS first_later
     SELECT maxOrNull(end_lsn) AS end, any(first_later) AS later FROM ${commits} WHERE pipeline = {pipeline:String} AND end_lsn <= {applied:UInt64}
       AND ifNull(end_lsn < first_later, true)`,
    { params },
  );
  // No later commit is known: what the source did between the last one and that time, the copy cannot say.
  if (row?.later === null && time > extent.appliedTime) throw tooLate(`${time} UTC`, extent);
  const end = BigInt(row?.end ?? 0);
  if (end < extent.fromLsn && BigInt(row?.later ?? 0) <= extent.fromLsn) throw tooEarly(`${time} UTC`, extent);
  return end;
}

/** @throws {AppError} `AS_OF_UNKNOWN`. */
async function readExtent(clickhouse: ClickHouse, names: Names): Promise<Extent> {
  const internal = chIdent(names.internal);
  const [row] = await clickhouse.rows<ExtentRow>(
    `SELECT e.pipeline AS of_pipeline, toString(greatest(e.from_lsn, t.load_end)) AS from_position, toString(c.applied_lsn) AS applied_position,
       toString(c.applied_commit_time) AS applied_time, toString(t.base) AS base_version, t.is_loading AS is_loading
     FROM ${internal}.event_history AS e FINAL
     INNER JOIN ${internal}.checkpoint AS c FINAL ON c.pipeline = e.pipeline
     INNER JOIN
     (
       SELECT pipeline, max(load_end_lsn) AS load_end, max(base_version) AS base, countIf(phase != 'live') > 0 AS is_loading
       FROM ${internal}.tables FINAL
       WHERE table IN ('public.advertiser', 'public.campaign', 'public.impressions', 'public.clicks')
       GROUP BY pipeline
     ) AS t ON t.pipeline = e.pipeline
     LIMIT 1`,
  );
  if (row === undefined) {
    throw new AppError('AS_OF_UNKNOWN', 'the copy keeps no versions of events: its past is not known');
  }
  if (row.is_loading)
    throw new AppError('AS_OF_UNKNOWN', 'not all tables are live: the past of the copy begins when they are');
  return {
    pipeline: row.of_pipeline,
    fromLsn: BigInt(row.from_position),
    appliedLsn: BigInt(row.applied_position),
    appliedTime: row.applied_time,
    baseVersion: maxLsn(BigInt(row.base_version), 0n),
  };
}

interface ExtentRow {
  readonly of_pipeline: string;
  readonly from_position: string;
  readonly applied_position: string;
  readonly applied_time: string;
  readonly base_version: string;
  readonly is_loading: boolean;
}

function tooEarly(asked: string, { fromLsn }: Extent): AppError {
  return new AppError(
    'AS_OF_UNKNOWN',
    `${asked} lies before ${formatLsn(fromLsn)}, where the past of the copy begins: its last load, the first start with eventHistory, or a repair of what it had kept`,
  );
}

function tooLate(asked: string, { appliedLsn, appliedTime }: Extent): AppError {
  return new AppError(
    'AS_OF_UNKNOWN',
    `${asked} is not in the copy yet, which holds what was committed up to ${formatLsn(appliedLsn)} (${appliedTime} UTC)`,
  );
}

/** As ClickHouse reads a DateTime64(6), in UTC. */
function utcText(text: string): string {
  const [, day = '', minutes = '00:00', seconds = ':00', zone = 'Z'] = TIME.exec(text) ?? [];
  const [whole = '', fraction = ''] = seconds.split('.');
  const ms = Date.parse(`${day}T${minutes}${whole}${zone}`);
  if (day === '' || Number.isNaN(ms)) {
    throw new AppError(
      'USAGE',
      `“${text}” is neither a position like 16/B374D848 nor a time like 2026-03-07 10:00 or 2026-03-07T10:00:00+01:00`,
    );
  }
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}.${fraction.padEnd(6, '0')}`;
}
