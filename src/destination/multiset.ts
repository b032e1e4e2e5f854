/**
 * The mirror of a table without a key: which rows it has, and how often.
 *
 * Rows cannot be found again to be changed, so each change adds one: +1 for a row that has come, −1 for the same values
 * gone. A change is known by its place (`_version`: position of its commit, `_ordinal`: its number in that transaction),
 * so that what is delivered again replaces itself. A row is there as often as the signs of its values add up to.
 */
import { chIdent } from '../model/quote.ts';

/** Columns of such a mirror, behind those of the source. */
export const MULTISET_COLUMNS = [
  '`_version` UInt64 CODEC(Delta, ZSTD(1))',
  '`_ordinal` UInt64 CODEC(Delta, ZSTD(1))',
  '`_sign` Int8 CODEC(ZSTD(1))',
];

/** Columns of its landing table, behind those of the source. */
export const MULTISET_LANDING_COLUMNS = ['`_version` UInt64', '`_ordinal` UInt64', '`_sign` Int8'];

/** Names of both. */
export const MULTISET_NAMES = ['_version', '_ordinal', '_sign'];

/** Its engine: a change that is written again is the same row. */
export const MULTISET_ENGINE = 'ENGINE = ReplacingMergeTree ORDER BY (_version, _ordinal)';

/**
 * Selects the rows as they are now, duplicates as often as they are there. While nothing was ever taken out, which is so
 * for logs and audits, no row has to be compared with others.
 *
 * @param mirror Qualified name, quoted.
 * @param names Columns of the source.
 */
export function currentMultiset(mirror: string, names: readonly string[]): string {
  const list = names.map(chIdent).join(', ');
  const taken = `(SELECT count() FROM ${mirror} WHERE _sign < 0)`;
  return (
    `SELECT ${list} FROM ${mirror} FINAL WHERE ${taken} = 0 UNION ALL ` +
    `SELECT ${list} FROM (SELECT ${list}, sum(_sign) AS _copies FROM ${mirror} FINAL WHERE ${taken} > 0 GROUP BY ${list} HAVING _copies > 0) ` +
    `ARRAY JOIN range(toUInt64(_copies)) AS _copy`
  );
}
