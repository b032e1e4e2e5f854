/**
 * Columns of the ad tables beside those that the key figures are made from: mirror and history have them, and the views
 * of the rows as they stand. The others are those of sql/clickhouse, known by their names.
 *
 * These tables feed history and rollup through views that stay where they are, so they are altered where they stand.
 * Whatever a process leaves half done, the next start finds by what is there.
 */
import { type MirrorColumn, planAlteration, type WantedColumn, widens } from '../destination/alter.ts';
import { currentView, tableNames, viewOf } from '../destination/ddl.ts';
import { type MirrorShape, readMirrorShapes } from '../destination/mirrors.ts';
import { OWN_COLUMNS } from '../model/own-columns.ts';
import { chIdent } from '../model/quote.ts';
import { adColumns } from '../model/roles.ts';
import type { SourceTable } from '../model/table.ts';
import { type AlterMode, type Looks, wantedColumns, whyNotNow } from './alter-mirror.ts';
import type { Copy } from './copy.ts';
import { failPoint } from './fail-points.ts';
import { codecAt, type TableLayout } from './layout.ts';

/** What there is of tables of the ad schema. */
export interface AdObjects {
  /** Mirrors and histories by name. */
  readonly shapes: ReadonlyMap<string, MirrorShape>;
  /** Columns of landings, of what they feed and of the views of the rows, by name: each as name and type. */
  readonly feeds: ReadonlyMap<string, readonly string[]>;
}

/** Looks at all of them at once. */
export async function findAdObjects({ clickhouse, names }: Copy, layouts: readonly TableLayout[]): Promise<AdObjects> {
  if (layouts.length === 0) return { shapes: new Map(), feeds: new Map() };
  const shapes = await readMirrorShapes(clickhouse, names, layouts.flatMap(ownNames));
  const rows = await clickhouse.rows<{ table: string; columns: string[] }>(
    `SELECT table, groupArray(concat(name, ' ', type)) AS columns FROM system.columns
     WHERE ((database = {internal:String} AND table IN {inner:Array(String)}) OR (database = {database:String} AND table IN {current:Array(String)}))
       AND name NOT IN {own:Array(String)} GROUP BY database, table`,
    {
      params: {
        ...names,
        inner: layouts.flatMap(innerNames),
        current: layouts.map(currentName),
        own: [...OWN_COLUMNS],
      },
    },
  );
  return { shapes, feeds: new Map(rows.map(({ table, columns }) => [table, columns])) };
}

function ownNames({ table, history }: TableLayout): string[] {
  return [table.target, ...(history ? [`${table.target}_history`] : [])];
}

function innerNames({ table, history }: TableLayout): string[] {
  return [`${table.target}_in`, `${table.target}_mv`, ...(history ? [`${table.target}_history_mv`] : [])];
}

function currentName({ table }: TableLayout): string {
  return `${table.target}_current`;
}

/**
 * Brings mirror and history of a table of the ad schema into line with its columns.
 *
 * @param at.there As they are.
 * @returns Why its rows must be read again for it; null when they are in line. In mode `reload` always.
 */
export async function alterAdTable(
  copy: Copy,
  layout: TableLayout,
  { looks, mode, there }: { looks: Looks; mode: AlterMode; there: AdObjects },
): Promise<string | null> {
  const { target } = layout.table;
  const statements: string[] = [];
  for (const name of ownNames(layout)) {
    const shape = there.shapes.get(name);
    if (shape === undefined) continue;
    const asSource = wantedColumns(layout, looks, mode);
    const found = identified(layout, shape, asSource, mode);
    const wanted = asSource.map((column) => {
      // Versions of rows that are no more may have NULL.
      const present = found.find(({ attnum }) => attnum === column.attnum);
      const isKept = name !== target && present?.type === `Nullable(${column.type})`;
      return isKept ? { ...column, type: present.type } : column;
    });
    const plan = planAlteration(`${chIdent(copy.names.database)}.${chIdent(name)}`, found, wanted);
    if (plan.kind === 'rebuild') return plan.why;
    if (plan.kind === 'in line') continue;
    const why = mode === 'exact' && name === target ? await whyNotNow(copy, layout, plan) : null;
    if (why !== null) return why;
    statements.push(...plan.statements);
  }
  if (statements.length === 0 && isFed(layout, there)) return null;
  await stopFeeding(copy, layout);
  failPoint('ad-feed-ended');
  for (const statement of statements) await run(copy, statement);
  failPoint('ad-altered');
  await feed(copy, layout);
  return null;
}

/** Those of sql/clickhouse by their names, the others by what they tell. One of another type is made anew where its rows are read again. */
function identified(
  { table }: TableLayout,
  { columns }: MirrorShape,
  wanted: readonly WantedColumn[],
  mode: AlterMode,
): MirrorColumn[] {
  const own = adColumns(table);
  return columns.map(({ name, type, attnum, isInKey }, i) => {
    const to = wanted.find((column) => (own.has(name) ? column.name === name : column.attnum === attnum));
    const isAnew = mode === 'reload' && to !== undefined && to.type !== type && !widens(type, to.type);
    return { name, type, isInKey, isTold: true, attnum: to === undefined || isAnew ? -1 - i : to.attnum };
  });
}

/** Whether rows go to all columns, and are seen in them: landing, what it feeds, and the view of the rows have each. */
function isFed(layout: TableLayout, { feeds }: AdObjects): boolean {
  const wanted = layout.table.columns.map(({ name }, i) => `${name} ${codecAt(layout, i).clickhouseType}`);
  // What the view computes beside them is brought into line by its comment (computed-columns.ts).
  const shown = feeds.get(currentName(layout))?.filter((column) => wanted.includes(column));
  const has = (columns: readonly string[] | undefined): boolean =>
    JSON.stringify(columns?.toSorted()) === JSON.stringify(wanted.toSorted());
  return has(shown) && innerNames(layout).every((name) => has(feeds.get(name)));
}

/** Nothing reads or writes columns any more that may go: the view of the rows shows those of sql/clickhouse. */
async function stopFeeding(copy: Copy, layout: TableLayout): Promise<void> {
  const { names } = copy;
  const { table, history } = layout;
  const { landingView, current, mirror } = tableNames(names, table.target);
  const shown = viewOf(current, mirror, [...adColumns(table)]);
  await run(copy, `CREATE OR REPLACE VIEW ${shown}`);
  await run(copy, `DROP VIEW IF EXISTS ${landingView} SYNC`);
  if (history) await run(copy, `DROP VIEW IF EXISTS ${historyView(copy, table)} SYNC`);
}

/** The landing takes all columns, and they go where they belong. */
async function feed(copy: Copy, layout: TableLayout): Promise<void> {
  const { names, clickhouse } = copy;
  const { table, history } = layout;
  const { landing, landingView, mirror, current } = tableNames(names, table.target);
  const own = adColumns(table);
  const present = await clickhouse.rows<{ name: string }>(
    `SELECT name FROM system.columns WHERE database = {database:String} AND table = {table:String} AND name NOT IN {own:Array(String)}`,
    { params: { database: names.internal, table: `${table.target}_in`, own: [...OWN_COLUMNS, ...own] } },
  );
  for (const { name } of present) await run(copy, `ALTER TABLE ${landing} DROP COLUMN ${chIdent(name)}`);
  for (const [i, { name }] of table.columns.entries()) {
    const type = codecAt(layout, i).clickhouseType;
    if (!own.has(name)) await run(copy, `ALTER TABLE ${landing} ADD COLUMN ${chIdent(name)} ${type}`);
  }
  const list = table.columns.map(({ name }) => chIdent(name)).join(', ');
  const select = (marks: string): string => `AS SELECT ${list}, ${marks} FROM ${landing} WHERE _raw = 1`;
  await run(copy, `CREATE MATERIALIZED VIEW ${landingView} TO ${mirror} ${select('_version, _deleted')}`);
  if (history) {
    const versions = `${chIdent(names.database)}.${chIdent(`${table.target}_history`)}`;
    const view = `${historyView(copy, table)} TO ${versions}`;
    await run(copy, `CREATE MATERIALIZED VIEW ${view} ${select('_version, _deleted, _committed_at')}`);
  }
  await run(copy, `CREATE OR REPLACE VIEW ${currentView(current, mirror, table)}`);
}

function historyView({ names }: Copy, { target }: SourceTable): string {
  return `${chIdent(names.internal)}.${chIdent(`${target}_history_mv`)}`;
}

async function run({ clickhouse, fence }: Copy, sql: string): Promise<void> {
  await clickhouse.command(sql, { settings: { ...fence.settings('prepare'), mutations_sync: 2, alter_sync: 2 } });
}
