/**
 * What a schema of the tests consists of: tables with the breadth of a real application, traffic, and the migrations
 * that such an application makes week by week.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Statements by name. `$1` and `$2` stand for whole numbers from 0 to 99 999, put into the text. */
export type Statements = Readonly<Record<string, string>>;

/** One migration, as a team would write it. */
export interface Migration {
  readonly title: string;
  readonly sql: string;
  /** Statements of the traffic that read otherwise from now on, or are gone (null). */
  readonly statements?: Readonly<Record<string, string | null>>;
}

/** A schema with its traffic and migrations. */
export interface RealSchema {
  readonly name: string;
  /** Schemas of PostgreSQL whose tables are copied. */
  readonly schemas: readonly string[];
  /** Makes all objects. */
  readonly setup: string;
  /** Rows to begin with, made by the traffic's own statements: how often each. */
  readonly first: Readonly<Record<string, number>>;
  readonly statements: Statements;
  readonly migrations: readonly Migration[];
  /** What the configuration says of single tables (YAML of `tables`). */
  readonly rules?: string;
  /** Columns that those rules leave out, by table. */
  readonly excluded?: Readonly<Record<string, readonly string[]>>;
}

/** The `schema.sql` beside a module. */
export function readSetup(moduleUrl: string): string {
  return readFileSync(fileURLToPath(new URL('schema.sql', moduleUrl)), 'utf8');
}
