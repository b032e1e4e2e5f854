/**
 * What the catalogue of ClickHouse would say once statements were executed that only a rehearsal has seen: the objects
 * of the copy by name, where each of them comes from, and `system.tables` and `system.columns` as queries over that.
 *
 * It reads the forms of statement that Millrace itself writes. Of a table that is altered the columns count as
 * unknown from then on: whoever alters it brings it into line.
 */
import { chIdent, chLiteral } from '../model/quote.ts';

/** An object under its present name. */
interface PlannedObject {
  /** Where it is on the server; null: it is not made yet. */
  readonly from: ObjectName | null;
  readonly engine: string;
  readonly comment: string;
  readonly constraints: string;
  readonly query: string;
  readonly hasKnownColumns: boolean;
}

/** A qualified name. */
export interface ObjectName {
  readonly database: string;
  readonly name: string;
}

/** An object on the server. */
export interface PresentObject extends ObjectName {
  readonly engine: string;
  readonly comment: string;
  /** What {@link constraintsOf} finds in the statement that makes it. */
  readonly constraints: string;
}

const IDENT = '(?:`(?:[^`\\\\]|\\\\.)*`|[A-Za-z_]\\w*)';
const NAME = `(${IDENT})\\.(${IDENT})`;
const KIND = '(?:TABLE|MATERIALIZED VIEW|VIEW|DICTIONARY)';

const CREATE_DATABASE = new RegExp(`^CREATE DATABASE (?:IF NOT EXISTS )?(${IDENT})`);
const CREATE = new RegExp(`^CREATE (OR REPLACE )?(${KIND}) (IF NOT EXISTS )?${NAME}`);
const CLONE = new RegExp(` CLONE AS ${NAME}`);
const DROP = new RegExp(`^DROP ${KIND} (?:IF EXISTS )?${NAME}`);
const MOVE = new RegExp(`^(EXCHANGE TABLES|RENAME TABLE) ${NAME} (?:AND|TO) ${NAME}`);
const ALTER = new RegExp(`^ALTER TABLE (?:IF EXISTS )?${NAME} `);

/** The objects of a copy as statements leave them. */
export class PlannedObjects {
  readonly #databases: Set<string>;
  readonly #objects = new Map<string, PlannedObject>();
  /** Names on the server whose place has been touched. */
  readonly #touched = new Map<string, ObjectName>();

  /** @param present All objects of these databases on the server. */
  constructor(databases: readonly string[], present: readonly PresentObject[]) {
    this.#databases = new Set(databases);
    for (const { database, name, ...known } of present)
      this.#objects.set(keyOf({ database, name }), {
        ...known,
        from: { database, name },
        query: '',
        hasKnownColumns: true,
      });
  }

  /** Notes what a statement does. @returns False when it would find everything done. */
  apply(statement: string): boolean {
    const sql = withoutComments(statement);
    const made = CREATE_DATABASE.exec(sql);
    if (made !== null) return this.#makeDatabase(plainName(made[1]));
    const create = CREATE.exec(sql);
    if (create !== null) return this.#create(sql, create);
    const drop = DROP.exec(sql);
    if (drop !== null) return this.#remove(nameAt(drop, 1));
    const move = MOVE.exec(sql);
    if (move !== null) return this.#move(nameAt(move, 2), nameAt(move, 4), move[1] === 'EXCHANGE TABLES');
    const alter = ALTER.exec(sql);
    if (alter !== null) this.#alter(sql, nameAt(alter, 1));
    return true;
  }

  /** A query of the catalogue, so that it tells what is planned. */
  rewrite(sql: string): string {
    if (this.#touched.size === 0) return sql;
    return sql
      .replaceAll(/\bsystem\.tables\b/g, () => this.#tables())
      .replaceAll(/\bsystem\.columns\b/g, () => this.#columns());
  }

  #makeDatabase(name: string): boolean {
    if (this.#databases.has(name)) return false;
    this.#databases.add(name);
    return true;
  }

  #create(sql: string, match: RegExpExecArray): boolean {
    const at = nameAt(match, 4);
    const key = keyOf(at);
    if (this.#objects.has(key) && match[1] === undefined && match[3] !== undefined) return false;
    const engine = { VIEW: 'View', 'MATERIALIZED VIEW': 'MaterializedView', DICTIONARY: 'Dictionary' }[match[2] ?? ''];
    const comment = /COMMENT '((?:[^'\\]|\\.)*)'$/.exec(sql)?.[1];
    const clone = CLONE.exec(sql);
    const cloned = clone === null ? undefined : this.#objects.get(keyOf(nameAt(clone, 1)));
    this.#put(at, {
      from: null,
      engine: engine ?? /\bENGINE = (\w+)/.exec(sql)?.[1] ?? cloned?.engine ?? 'MergeTree',
      comment: comment?.replaceAll(/\\(.)/g, '$1') ?? cloned?.comment ?? '',
      constraints: `${cloned?.constraints ?? ''}${constraintsOf(sql)}`,
      query: engine === undefined ? '' : sql.slice(sql.indexOf(' AS SELECT') + 4),
      hasKnownColumns: false,
    });
    return true;
  }

  #remove(at: ObjectName): boolean {
    this.#touched.set(keyOf(at), at);
    return this.#objects.delete(keyOf(at));
  }

  #move(from: ObjectName, to: ObjectName, isExchange: boolean): boolean {
    const [moved, other] = [from, to].map((name) => this.#objects.get(keyOf(name)));
    this.#remove(from);
    this.#remove(to);
    if (moved !== undefined) this.#put(to, moved);
    if (isExchange && other !== undefined) this.#put(from, other);
    return true;
  }

  #alter(sql: string, at: ObjectName): void {
    const object = this.#objects.get(keyOf(at));
    if (object === undefined) return;
    const comment = /MODIFY COMMENT '((?:[^'\\]|\\.)*)'/.exec(sql)?.[1];
    this.#put(at, {
      ...object,
      comment: comment?.replaceAll(/\\(.)/g, '$1') ?? object.comment,
      constraints: `${object.constraints}${constraintsOf(sql)}`,
      hasKnownColumns: object.hasKnownColumns && !/\b(ADD|DROP|RENAME|MODIFY|ALTER) COLUMN\b/.test(sql),
    });
  }

  #put(at: ObjectName, object: PlannedObject): void {
    this.#touched.set(keyOf(at), at);
    this.#objects.set(keyOf(at), object);
  }

  /** `system.tables`: what was not touched, what was moved or altered, what is made. */
  #tables(): string {
    const there = this.#planned().filter(({ object }) => object.from !== null);
    const made = this.#planned().filter(({ object }) => object.from === null);
    const changed = there.map(({ at, object }) => {
      const comment = `, ${chLiteral(object.comment)} AS comment`;
      const marked =
        object.constraints === ''
          ? ''
          : `, concat(create_table_query, ${chLiteral(object.constraints)}) AS create_table_query`;
      return `SELECT * REPLACE (${replaced(at, 'name')}${comment}${marked}) FROM (SELECT * FROM system.tables WHERE ${isAt(object.from, 'name')})`;
    });
    const rows = made.map(({ at, object }) => {
      return `(${[at.database, at.name, object.engine, object.comment, object.constraints, object.query].map(chLiteral).join(', ')})`;
    });
    const fields = ['database', 'name', 'engine', 'comment', 'create_table_query', 'as_select'];
    const template =
      `SELECT one.* REPLACE (${fields.map((field, i) => `row.${i + 1} AS ${field}`).join(', ')}) FROM ` +
      `(SELECT * FROM system.tables WHERE database = 'system' AND name = 'one') AS one ARRAY JOIN [${rows.join(', ')}] AS row`;
    return union([
      `SELECT * FROM system.tables WHERE ${this.#untouched('name')}`,
      ...changed,
      ...(rows.length > 0 ? [template] : []),
    ]);
  }

  /** `system.columns`: of what is made or altered there are none. */
  #columns(): string {
    const moved = this.#planned().filter(({ object }) => object.from !== null && object.hasKnownColumns);
    const parts = moved.map(({ at, object }) => {
      return `SELECT * REPLACE (${replaced(at, 'table')}) FROM (SELECT * FROM system.columns WHERE ${isAt(object.from, 'table')})`;
    });
    return union([`SELECT * FROM system.columns WHERE ${this.#untouched('table')}`, ...parts]);
  }

  #untouched(column: string): string {
    const names = [...this.#touched.values()].map((at) => `(${chLiteral(at.database)}, ${chLiteral(at.name)})`);
    return `(database, ${column}) NOT IN (${names.join(', ')})`;
  }

  #planned(): { at: ObjectName; object: PlannedObject }[] {
    return [...this.#touched].flatMap(([key, at]) => {
      const object = this.#objects.get(key);
      return object === undefined ? [] : [{ at, object }];
    });
  }
}

/** The object that a statement makes, moves, alters or drops; null: none of the copy's. */
export function objectOf(statement: string): ObjectName | null {
  const sql = withoutComments(statement);
  const create = CREATE.exec(sql);
  if (create !== null) return nameAt(create, 4);
  const other = DROP.exec(sql) ?? ALTER.exec(sql);
  if (other !== null) return nameAt(other, 1);
  const move = MOVE.exec(sql);
  return move === null ? null : nameAt(move, 4);
}

/** True for statements that make, alter or remove objects; false for those that write rows or ask. */
export function isDefinition(statement: string): boolean {
  return /^(CREATE|DROP|ALTER|RENAME|EXCHANGE)\b/.test(withoutComments(statement));
}

function withoutComments(statement: string): string {
  return statement.replace(/^(?:\s*--[^\n]*\n)*\s*/, '').replaceAll(/\n\s*/g, ' ');
}

function constraintsOf(sql: string): string {
  const names = [...sql.matchAll(/\bCONSTRAINT (?:IF NOT EXISTS )?(\w+) /g)].map((match) => match[1]);
  return names.map((name) => ` CONSTRAINT ${name} `).join('');
}

function nameAt(match: RegExpExecArray, group: number): ObjectName {
  return { database: plainName(match[group]), name: plainName(match[group + 1]) };
}

function plainName(ident = ''): string {
  return ident.startsWith('`') ? ident.slice(1, -1).replaceAll(/\\(.)/g, '$1') : ident;
}

function keyOf({ database, name }: ObjectName): string {
  return `${chIdent(database)}.${chIdent(name)}`;
}

function replaced({ database, name }: ObjectName, column: string): string {
  return `${chLiteral(database)} AS database, ${chLiteral(name)} AS ${column}`;
}

function isAt(at: ObjectName | null, column: string): string {
  return `database = ${chLiteral(at?.database ?? '')} AND ${column} = ${chLiteral(at?.name ?? '')}`;
}

function union(parts: readonly string[]): string {
  return `(${parts.join(' UNION ALL ')})`;
}
