/** Which key figures are told from tables that are read again, or not followed any more. */
import { KPIS } from '../kpi/definitions.ts';
import type { PlannedTable, TableFate } from '../pipeline/plan.ts';

/** What a key figure reads (kpi/sources.ts), and the tables that this is made from. */
const READ_FROM: Readonly<Record<string, readonly string[]>> = {
  facts: ['impressions', 'clicks', 'campaign'],
  events: ['impressions', 'clicks', 'campaign'],
  campaigns: ['campaign'],
  versions: ['campaign'],
  advertisers: ['advertiser'],
};

const UNTOUCHED: ReadonlySet<TableFate> = new Set(['altered', 'followed']);

/** Names of the key figures. */
export function affectedKpis(tables: readonly Pick<PlannedTable, 'table' | 'fate'>[]): string[] {
  const names = new Set(tables.filter(({ fate }) => !UNTOUCHED.has(fate)).map(({ table }) => table));
  const isConcerned = (source: string): boolean =>
    (READ_FROM[source] ?? []).some((table) => names.has(`public.${table}`));
  return Object.values(KPIS)
    .filter(({ sql }) => [...sql.matchAll(/\$\{(\w+)\}/g)].some(([, source = '']) => isConcerned(source)))
    .map(({ name }) => name);
}
