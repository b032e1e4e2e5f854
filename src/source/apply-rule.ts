/**
 * Applies what the configuration says of a table to its shape: what is not copied is not there any more, what is copied
 * differently says so, and the key is the order of the mirror.
 */
import { pgTable } from '../model/quote.ts';
import type { ColumnChoice, ComputedColumn, SourceColumn, SourceTable } from '../model/table.ts';
import { type ColumnRule, isMadeByFunction, NO_RULE, type TableRule } from '../model/table-rule.ts';
import { transformFault, withTransform } from './apply-transform.ts';
import { type RuleFault, wrong } from './rule-fault.ts';

/** The table as the rule wants it; or the table as it was, and why that cannot be. */
export function applyRule(table: SourceTable, rule: TableRule): { table: SourceTable; fault: RuleFault | null } {
  if (rule === NO_RULE) return { table, fault: null };
  const { generated = [] } = table;
  const missing = rule.namedColumns.find(
    (name) => ![...table.columns, ...generated].some((column) => column.name === name),
  );
  if (missing !== undefined)
    return { table, fault: wrong(`has no column “${missing}”, which the configuration names`) };
  const key = table.key.map((i) => table.columns[i]?.name ?? '');
  const isLeftOut = (column: SourceColumn): boolean =>
    rule.columnRule(column.name).exclude || hiddenSource(column, rule) !== null;
  const kept = table.columns.filter((column) => !isLeftOut(column));
  const columns = withTransform(
    kept.map((column) => withChoice(column, rule.columnRule(column.name))),
    rule,
  );
  const order = [...new Set([...rule.orderBy, ...key])];
  const fault =
    computedFault(table, rule) ??
    transformFault(table, kept, rule) ??
    columnFault(table, { key, order, rule }) ??
    partitionFault(table, order, rule.partitionBy);
  if (fault !== null) return { table, fault };
  const excluded = table.columns.filter(isLeftOut);
  return {
    table: {
      ...table,
      target: rule.target ?? table.target,
      columns,
      key: order.map((name) => columns.findIndex((column) => column.name === name)),
      excluded,
      ...divided(generated, rule),
      rule,
    },
    fault: null,
  };
}

/**
 * The masked or excluded column that a generated one is made from, if nothing is said of the generated one itself: its
 * values would tell what is to be hidden, so it is left out. null: it may be copied.
 */
export function hiddenSource({ name, generation }: SourceColumn, rule: TableRule): string | null {
  const own = rule.columnRule(name);
  if (generation === undefined || own.exclude || own.mask !== null || own.isPlain) return null;
  const isHidden = ({ exclude, mask }: ColumnRule): boolean => exclude || mask !== null;
  return generation.madeFrom.find((source) => isHidden(rule.columnRule(source))) ?? null;
}

function withChoice(column: SourceColumn, { as, unfit, mask, nullable, codec }: ColumnRule): SourceColumn {
  const choice: ColumnChoice = {
    ...(as === null ? {} : { as }),
    ...(unfit === null ? {} : { unfit }),
    ...(mask === null ? {} : { mask }),
    ...(nullable === null ? {} : { nullable }),
    ...(codec === null ? {} : { compression: codec }),
  };
  return Object.keys(choice).length === 0 ? column : { ...column, choice };
}

/** Generated columns that are not published, by what becomes of them. */
function divided(generated: readonly SourceColumn[], rule: TableRule): Pick<SourceTable, 'computed' | 'generated'> {
  if (generated.length === 0) return {};
  const computed = generated.flatMap((column): ComputedColumn[] => {
    const own = rule.columnRule(column.name);
    return own.computed === null ? [] : [{ ...withChoice(column, own), computed: own.computed }];
  });
  const left = generated.filter(({ name }) => {
    const own = rule.columnRule(name);
    return own.computed === null && !own.exclude;
  });
  return { ...(computed.length === 0 ? {} : { computed }), generated: left };
}

/** What cannot be computed: what is copied, or is to be kept from the copy. */
function computedFault({ columns, generated = [] }: SourceTable, rule: TableRule): RuleFault | null {
  const copied = columns.find(({ name }) => rule.columnRule(name).computed !== null);
  if (copied !== undefined) {
    const why =
      copied.generation === undefined
        ? 'is not generated: it is copied'
        : 'is a generated column that the publication brings: it is copied';
    return computedWrong(copied.name, why);
  }
  for (const { name } of generated) {
    const { computed, exclude, mask, unfit, codec } = rule.columnRule(name);
    if (computed === null) continue;
    if (exclude || mask !== null || unfit !== null || codec !== null)
      return computedWrong(name, 'is computed, not stored: no rule may say how it is stored, masked or excluded');
    const words = computed.replaceAll(/'(?:[^'\\]|\\.|'')*'/g, "''");
    if (/\b(select|arrayJoin)\b/i.test(words))
      return computedWrong(name, 'is computed by a subquery or arrayJoin: a value is made of its own row alone');
  }
  return null;
}

function computedWrong(name: string, why: string): RuleFault {
  return {
    reason: `has a rule with \`computed\` for “${name}”, which ${why}`,
    remedy: `Correct \`computed\` of “${name}” in the rules of the table.`,
  };
}

/** What cannot be done with columns by which rows are told apart, or sorted. */
function columnFault(
  table: SourceTable,
  { key, order, rule }: { key: readonly string[]; order: readonly string[]; rule: TableRule },
): RuleFault | null {
  if (rule.onDelete !== 'mirror' && key.length === 0)
    return wrong('has no key: what is deleted in the source cannot be kept in the copy');
  if (rule.orderBy.length > 0 && key.length === 0) return wrong('has no key: a sorting key cannot be chosen');
  for (const { name } of table.columns) {
    const { mask, nullable, as } = rule.columnRule(name);
    if (nullable === false && mask !== null) return wrong(`has a mask or transform on “${name}”, which may give NULL`);
    if (nullable === true && as === 'array') return wrong(`has the Array “${name}”, which cannot be Nullable`);
    if (nullable === true && order.includes(name))
      return wrong(`has the column “${name}” in its key, which cannot be Nullable`);
  }
  for (const name of order) {
    const column = table.columns.find((candidate) => candidate.name === name);
    const { exclude, mask, as } = rule.columnRule(name);
    if (column === undefined) return wrong(`has no column “${name}” to be sorted by`);
    if (exclude) return wrong(`has the column “${name}” in its key, which cannot be excluded`);
    const hidden = hiddenSource(column, rule);
    if (hidden !== null)
      return wrong(`has the column “${name}” in its key, made from “${hidden}”, which is hidden: it can be hashed too`);
    if (as === 'array') return wrong(`has the column “${name}” in its key, which cannot be an Array: text can`);
    // Two rows must not become one.
    if (mask !== null && mask.kind !== 'hash')
      return wrong(
        `has the column “${name}” in its key, which can ${isMadeByFunction(mask) ? 'be hashed, not transformed' : 'only be hashed'}`,
      );
    if (key.includes(name)) continue;
    if (column.nullable) return wrong(`cannot be sorted by “${name}”, which may be NULL`);
    if (table.replicaIdentity !== 'f') {
      // Otherwise neither a delete nor the old place of an updated row would be known.
      const reason = `can be sorted by “${name}”, which is not in its key, only under REPLICA IDENTITY FULL`;
      return { reason, remedy: `ALTER TABLE ${pgTable(table)} REPLICA IDENTITY FULL;` };
    }
  }
  return null;
}

/** All versions of a row must lie in one partition: so only what sorts them may divide them. */
function partitionFault(table: SourceTable, order: readonly string[], expression: string | null): RuleFault | null {
  if (expression === null) return null;
  if (order.length === 0) return wrong('has no key: it cannot be partitioned');
  const used = namesIn(expression).find((name) => {
    return table.columns.some((column) => column.name === name) && !order.includes(name);
  });
  return used === undefined ? null : wrong(`cannot be partitioned by “${used}”, which is not in its sorting key`);
}

/** Identifiers in an expression of ClickHouse that are not functions. */
function namesIn(expression: string): string[] {
  const tokens = expression.matchAll(
    /'(?:[^'\\]|\\.|'')*'|`((?:[^`\\]|\\.)*)`|"((?:[^"\\]|\\.)*)"|([A-Za-z_]\w*)(\s*\()?/g,
  );
  return [...tokens].flatMap(([, quoted, doubled, plain, call]) => {
    if (quoted !== undefined || doubled !== undefined) return [(quoted ?? doubled ?? '').replaceAll(/\\(.)/g, '$1')];
    return plain === undefined || call !== undefined ? [] : [plain];
  });
}
