/** Applies the function that a rule has for a table's rows: to columns that are as it says, or the table is not copied. */
import { codecFor } from '../codec/codecs.ts';
import { canReadAs } from '../codec/row-values.ts';
import { pgTable } from '../model/quote.ts';
import { isAdTable } from '../model/roles.ts';
import type { SourceColumn, SourceTable } from '../model/table.ts';
import type { TableRule } from '../model/table-rule.ts';
import { type RuleFault, wrong } from './rule-fault.ts';

/** The columns, each told how the function reads it. Those it sets tell which columns it reads: another one of the same name, or type, is noticed. */
export function withTransform(columns: readonly SourceColumn[], { transform }: TableRule): SourceColumn[] {
  if (transform === null) return [...columns];
  const identityOf = (wanted: string): string => {
    const { attnum, typeName } = columns.find(({ name }) => name === wanted) ?? {};
    return `${attnum} ${typeName}`;
  };
  const read = JSON.stringify(Object.keys(transform.reads).map(identityOf));
  return columns.map((column) => {
    const readAs = Object.hasOwn(transform.reads, column.name) ? transform.reads[column.name] : undefined;
    const { choice } = column;
    return {
      ...column,
      ...(readAs === undefined ? {} : { readAs }),
      ...(choice?.mask?.kind === 'row'
        ? { choice: { ...choice, mask: { kind: 'row', source: `${read} ${choice.mask.source}` } } }
        : {}),
    };
  });
}

/** Why the function cannot be applied; null when it can. @param kept The columns that are copied. */
export function transformFault(
  table: SourceTable,
  kept: readonly SourceColumn[],
  { transform }: TableRule,
): RuleFault | null {
  if (transform === null) return null;
  const names = [...Object.keys(transform.reads), ...transform.sets];
  const missing = names.find((name) => !kept.some((column) => column.name === name));
  if (missing !== undefined) return wrong(`has no column “${missing}” that is copied, which its transform needs`);
  const read = kept.filter(({ name }) => Object.hasOwn(transform.reads, name));
  for (const column of read) {
    const as = transform.reads[column.name] ?? 'text';
    if (!canReadAs(column, as))
      return wrong(`has “${column.name}” of type ${column.typeName}, which its transform cannot read as ${as}`);
  }
  // Rows that key figures are made of are not read again on their own when an update leaves a long value out.
  const long = read.find((column) => codecFor({ ...column, nullable: false }).binaryWidth === null);
  if (long === undefined || table.replicaIdentity === 'f' || !isAdTable(table)) return null;
  return {
    reason: `has a transform that reads “${long.name}”, which updates may leave out, and is one that key figures are made of: that takes REPLICA IDENTITY FULL`,
    remedy: `ALTER TABLE ${pgTable(table)} REPLICA IDENTITY FULL;`,
  };
}
