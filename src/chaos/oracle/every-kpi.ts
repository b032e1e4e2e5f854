/** Every key figure of the copy against the oracle. */
import { type KpiName, KPIS } from '../../kpi/definitions.ts';
import { queryKpi } from '../../kpi/query.ts';
import { pgRows } from '../../source/connection.ts';
import type { CopySide, SourceSide, Tally } from '../compare.ts';
import { type Asked, askedText, isAnswered, requestOf } from './asked.ts';
import { comparedColumns, foldedCampaigns, type Oracle, withOracle } from './oracle.ts';
import { type Cells, rowDifferences } from './rows.ts';

/** All names. */
export const KPI_NAMES = Object.keys(KPIS) as readonly KpiName[];

/** Figures asked of the copy at once. */
const AT_ONCE = 4;

/** A figure as it was answered. */
export interface Answer {
  readonly name: KpiName;
  readonly asked: Asked;
  readonly rows: readonly Cells[];
}

/**
 * What differs in any figure, or in some, asked in each way; empty when all are equal. The audit must be dated by commit, the copy caught
 * up, and nothing else may use the session meanwhile.
 */
export async function everyKpiDifferences(
  pg: SourceSide,
  ch: CopySide,
  ways: readonly Asked[],
  { tally = { rows: 0 }, figures = KPI_NAMES }: { tally?: Tally; figures?: readonly KpiName[] } = {},
): Promise<string[]> {
  const answers = await answersOfSource(pg, ways, figures);
  tally.rows += answers.reduce((sum, { rows }) => sum + rows.length, 0);
  const folded = await foldedCampaigns(pg.client);
  const found = await differencesFrom(ch, answers, { folded });
  for (const asked of ways) found.push(...(await rangeDifferences(pg, ch, asked)));
  return found;
}

/** The days that are shown when none are asked for. */
async function rangeDifferences(pg: SourceSide, ch: CopySide, asked: Asked): Promise<string[]> {
  const [wanted] = await pgRows(
    pg.client,
    `SELECT min(d)::text AS from, max(d)::text AS to FROM (SELECT ((created_at AT TIME ZONE 'UTC') AT TIME ZONE $1)::date AS d
       FROM (SELECT created_at FROM impressions UNION ALL SELECT created_at FROM clicks) e) x`,
    [asked.timezone],
  );
  const { pricingModel, timezone } = asked;
  const { range } = await queryKpi(ch.client, ch, 'share', { pricingModel, timezone });
  const [source, copy] = [
    JSON.stringify([wanted?.['from'], wanted?.['to']]),
    JSON.stringify([range?.from ?? null, range?.to ?? null]),
  ];
  return source === copy ? [] : [`days with events in ${timezone}: source ${source}, copy ${copy}`];
}

/** What the oracle says of every figure now. */
export async function answersOfSource(
  pg: SourceSide,
  ways: readonly Asked[],
  figures: readonly KpiName[] = KPI_NAMES,
): Promise<Answer[]> {
  return await withOracle(pg.client, async (oracle: Oracle) => {
    const answers: Answer[] = [];
    for (const asked of ways)
      for (const name of figures.filter((name) => isAnswered(name, asked)))
        answers.push({ name, asked, rows: await oracle.rows(name, asked) });
    return answers;
  });
}

/**
 * What the copy says differently.
 *
 * @param options `folded`: ids of campaigns whose single changes are not compared. `asOf`: the past that is asked; figures that have none are left out.
 */
export async function differencesFrom(
  ch: CopySide,
  answers: readonly Answer[],
  { folded = new Set(), asOf }: { folded?: ReadonlySet<string>; asOf?: string } = {},
): Promise<string[]> {
  const asking = answers.filter(({ name }) => asOf === undefined || KPIS[name].source !== 'copy');
  const found: string[][] = asking.map(() => []);
  let next = 0;
  const ask = async (): Promise<void> => {
    for (let i = next++; i < asking.length; i = next++) {
      const { name, asked, rows } = asking[i] as Answer;
      const result = await queryKpi(ch.client, ch, name, { ...requestOf(name, asked), asOf });
      const isCompared = (row: Cells): boolean => name !== 'changes' || !folded.has(String(row['campaign_id']));
      const different = rowDifferences(result.rows.filter(isCompared), rows.filter(isCompared), comparedColumns(name));
      found[i] = different.map((text) => `${name} (${askedText(asked)}): ${text}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  return found.flat();
}
