/** By which rules a table's rows were copied, in a form that can be kept and compared: secrets are in it as digests only. */
import { createHash } from 'node:crypto';
import type { SourceTable } from './table.ts';
import { NO_RULE, type TableRule } from './table-rule.ts';

/** What is kept. */
interface Kept {
  /** What DELETE does: whether the copy may hold rows that the source has no more. */
  readonly onDelete: string;
  /** Of everything that is said of the table itself. */
  readonly table: string;
  /** By attnum, of what is said of the column; empty when nothing is. */
  readonly columns: Readonly<Record<string, string>>;
}

/** The rules for a table; empty when there are none. */
export function ruleDigest({
  columns = [],
  excluded = [],
  rule,
}: Partial<Pick<SourceTable, 'columns' | 'excluded' | 'rule'>>): string {
  if (rule === undefined) return '';
  const said = [
    ...columns.map(({ attnum, choice }) => [attnum, choice === undefined ? '' : digest(choice)] as const),
    ...excluded.map(({ attnum }) => [attnum, 'excluded'] as const),
  ];
  const kept: Kept = {
    onDelete: rule.onDelete,
    table: tableDigest(rule),
    columns: Object.fromEntries(said),
  };
  return JSON.stringify(kept);
}

/** Whether rows that were copied by one set of rules are not what another set wants. Columns that came since do not count. */
export function hasOtherRule(before: string, now: string): boolean {
  if (before === now) return false;
  const [old, wanted] = [read(before), read(now)];
  if (old.table !== wanted.table || old.onDelete !== wanted.onDelete) return true;
  // Without rules nothing was said of any column.
  const numbers = Object.keys({ ...(now === '' ? old.columns : {}), ...wanted.columns });
  const saidIn = ({ columns }: Kept, kept: string, attnum: string): string | undefined =>
    columns[attnum] ?? (kept === '' ? '' : undefined);
  return numbers.some((attnum) => {
    const said = saidIn(wanted, now, attnum);
    return (saidIn(old, before, attnum) ?? said) !== said;
  });
}

/** Whether the copy may hold rows that cannot be read again: the source has deleted them. */
export function mayKeepDeleted(kept: string): boolean {
  return kept !== '' && read(kept).onDelete !== 'mirror';
}

function read(kept: string): Kept {
  if (kept !== '') return JSON.parse(kept) as Kept;
  return { onDelete: NO_RULE.onDelete, table: tableDigest(NO_RULE), columns: {} };
}

function tableDigest({ where, orderBy, partitionBy, settings }: TableRule): string {
  return digest({ where, orderBy, partitionBy, settings });
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}
