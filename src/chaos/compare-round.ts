/** Everything that is compared after a round: each difference in words, and how much was looked at. */
import { auditedSpend, auditedVersions, copiedSpend, dateByCommit, keptVersions } from './audit.ts';
import { adDifferences, type CopySide, type SourceSide, tableDifferences, type Tally } from './compare.ts';
import type { Asked } from './oracle/asked.ts';
import { everyKpiDifferences } from './oracle/every-kpi.ts';

/** What was found. */
export interface Comparison {
  /** Rows, versions, buckets and figures of the source that were looked for in the copy. */
  readonly rows: number;
  /** Empty when source and copy are equal. */
  readonly differences: readonly string[];
}

/** What the copy says of rows that it was loaded with. */
const BEFORE_THE_COPY = '1970-01-01 00:00:00.000000';
/** Differences shown of each kind. */
const SHOWN = 12;

/**
 * Compares source and copy: all rows of all tables, rollup against source and mirrors, every version of campaigns and
 * advertisers, spend to the sixth decimal, and every key figure, asked in one way.
 */
export async function compareAll(pg: SourceSide, ch: CopySide, asked: Asked): Promise<Comparison> {
  const tally: Tally = { rows: 0 };
  await dateByCommit(pg);
  const differences = [
    ...(await adDifferences(pg, ch, tally)),
    ...(await tableDifferences(pg, ch, 'document', tally)),
    ...(await versionDifferences(pg, ch, tally)),
    ...(await spendDifferences(pg, ch, tally)),
    ...(await everyKpiDifferences(pg, ch, [asked], { tally })),
  ];
  return { rows: tally.rows, differences };
}

/**
 * Of several states of a row in one transaction the last: the others were in force for no time, and the copy may give
 * them one version.
 */
function lastOfCommit(versions: readonly { id: number; values: string; at: string | null }[]): string[] {
  return versions
    .filter(({ id, at }, i) => versions[i + 1]?.id !== id || versions[i + 1]?.at !== at)
    .map(({ id, values, at }) => `${id}: ${values} since ${at ?? BEFORE_THE_COPY}`);
}

async function versionDifferences(pg: SourceSide, ch: CopySide, tally: Tally): Promise<string[]> {
  const found: string[] = [];
  for (const table of ['advertiser', 'campaign'] as const) {
    const audited = lastOfCommit(await auditedVersions(pg, table));
    const kept = lastOfCommit(await keptVersions(ch, table));
    tally.rows += audited.length;
    const at = audited.findIndex((version, i) => version !== kept[i]);
    if (at >= 0 || audited.length !== kept.length) {
      const place = at < 0 ? audited.length : at;
      found.push(
        `history of ${table}: ${audited.length} versions in the source, ${kept.length} in the copy; from version ${place} on ` +
          `source ${JSON.stringify(audited.slice(place, place + 4))}, copy ${JSON.stringify(kept.slice(place, place + 4))}`,
      );
    }
  }
  return found;
}

async function spendDifferences(pg: SourceSide, ch: CopySide, tally: Tally): Promise<string[]> {
  const [audited, copied] = [await auditedSpend(pg), await copiedSpend(ch)];
  tally.rows += audited.length;
  const [inSource, inCopy] = [new Set(audited), new Set(copied)];
  return [
    ...audited.filter((line) => !inCopy.has(line)).map((line) => `spend: source ${line}`),
    ...copied.filter((line) => !inSource.has(line)).map((line) => `spend: copy ${line}`),
  ].slice(0, SHOWN);
}
