/** Resolves the rules for tables: what all of them together say of one table. Later rules win, key by key. */
import { AppError } from '../model/errors.ts';
import { globToRegExp, isPlainName } from '../model/patterns.ts';
import {
  type ColumnRule,
  type Mask,
  NO_COLUMN_RULE,
  NO_RULE,
  type RowTransform,
  type TableRule,
} from '../model/table-rule.ts';
import type { Config } from './options.ts';
import type { GivenRule } from './table-keys.ts';

/** What the configuration says of tables. */
export interface TableRules {
  /** What it says of one of them. */
  ruleFor(table: { readonly schema: string; readonly name: string }): TableRule;
  /** Tables that rules name without wildcards. */
  readonly named: readonly string[];
}

/** Which tables are copied, and what is said of each: what the catalogue is read with. */
export interface CopiedTables extends TableRules {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly publication: string;
}

type Rules = Pick<Config, 'tables' | 'maskSalt'>;
type GivenColumn = NonNullable<GivenRule['columns']>[string];
type GivenRowTransform = NonNullable<GivenRule['transform']>;

/** Resolves the rules. @throws {AppError} `CONFIG_INVALID`, from `ruleFor`, for a mask that needs a salt and has none. */
export function tableRules(config: Rules): TableRules {
  const rules = config.tables.map((given) => {
    const patterns = [given.match].flat();
    return { given, patterns, globs: patterns.map(globToRegExp) };
  });
  return {
    named: rules.flatMap(({ patterns }) => patterns.filter(isPlainName)),
    ruleFor: ({ schema, name }) => {
      const label = `${schema}.${name}`;
      const matching = rules.filter(({ globs }) => globs.some((glob) => glob.test(label)));
      const own = matching.filter(({ patterns }) => patterns.includes(label));
      return resolve(
        matching.map(({ given }) => given),
        own.map(({ given }) => given),
        config.maskSalt,
      );
    },
  };
}

/** What the catalogue is read with. */
export function copiedTables(
  config: Rules & Pick<Config, 'includeTables' | 'excludeTables' | 'publication'>,
): CopiedTables {
  const { includeTables: include, excludeTables: exclude, publication } = config;
  return { ...tableRules(config), include, exclude, publication };
}

function resolve(rules: readonly GivenRule[], own: readonly GivenRule[], salt: string | null): TableRule {
  if (rules.length === 0) return NO_RULE;
  // Later ones win: an absent key leaves what was said before.
  const said: Partial<GivenRule> = Object.assign({}, ...rules);
  const choices = rules.filter(({ include, exclude }) => include === true || exclude === true);
  const columns = rules.flatMap((rule) =>
    Object.entries(rule.columns ?? {}).map(([pattern, given]) => ({ glob: globToRegExp(pattern), given })),
  );
  const transform = said.transform === undefined ? null : rowTransform(said.transform);
  return {
    isCopied: choices.length === 0 ? null : choices.at(-1)?.include === true,
    target: said.target ?? null,
    where: said.where ?? null,
    orderBy: [said.orderBy ?? []].flat(),
    partitionBy: said.partitionBy ?? null,
    settings: said.settings ?? {},
    onDelete: said.onDelete ?? 'mirror',
    transform,
    namedColumns: [...new Set(own.flatMap((rule) => Object.keys(rule.columns ?? {}).filter(isPlainName)))],
    columnRule: (column) => {
      const matching = columns.filter(({ glob }) => glob.test(column));
      const own = matching.length === 0 ? NO_COLUMN_RULE : columnRule(matching, salt);
      return transform?.sets.includes(column) === true ? setByRow(column, own, transform) : own;
    },
  };
}

function columnRule(matching: readonly { given: GivenColumn }[], salt: string | null): ColumnRule {
  const said: GivenColumn = Object.assign({}, ...matching.map(({ given }) => given));
  return {
    exclude: said.exclude ?? false,
    mask: maskOf(said, salt),
    isPlain: said.mask === 'none' && said.transform === undefined,
    as: said.as ?? null,
    unfit: said.unfit === null ? 'null' : (said.unfit ?? null),
    nullable: said.nullable ?? null,
    codec: said.codec ?? null,
    computed: said.computed ?? null,
  };
}

/** The transform of a table's rows, known by its text and by what it reads. */
function rowTransform({ reads, sets, row }: GivenRowTransform): RowTransform {
  return { reads, sets, apply: row, source: `${JSON.stringify(reads)} => ${JSON.stringify(sets)}: ${String(row)}` };
}

function setByRow(column: string, own: ColumnRule, { source }: RowTransform): ColumnRule {
  if (own.mask === null) return { ...own, mask: { kind: 'row', source }, isPlain: false };
  const other = own.mask.kind === 'transform' ? 'a transform of its own' : 'a mask';
  throw new AppError(
    'CONFIG_INVALID',
    `the column “${column}” is set by the table's transform and has ${other}: one of them`,
  );
}

function maskOf({ mask: text, transform }: GivenColumn, salt: string | null): Mask | null {
  if (transform !== undefined) {
    if (text === undefined || text === 'none')
      return { kind: 'transform', apply: transform, source: String(transform) };
    throw new AppError('CONFIG_INVALID', 'a column has both mask and transform: one of them, or mask: none');
  }
  if (text === undefined || text === 'none') return null;
  // In YAML the word null is no text.
  if (text === null || text === 'null') return { kind: 'null' };
  if (text !== 'hash') return { kind: 'truncate', characters: Number(text.slice('truncate('.length, -1)) };
  if (salt === null) throw new AppError('CONFIG_INVALID', 'mask: hash needs maskSalt');
  return { kind: 'hash', salt };
}
