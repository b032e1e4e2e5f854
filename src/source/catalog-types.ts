/**
 * What is behind the types of columns: domains are resolved to what they stand for, also below arrays; enums, composites,
 * ranges and types of extensions are told apart. PostgreSQL's own base types need nothing: their oids are constants.
 */
import type { Client } from 'pg';
import { AppError } from '../model/errors.ts';
import type { SourceColumn, SourceTable, SourceType } from '../model/table.ts';
import { pgRows, type TextRow } from './connection.ts';

/** Oids from here on are given out by the server: of extensions and users. */
const FIRST_USER_OID = 16_384;

/**
 * The types asked for and all that they are made of. An array is what its element type calls its array: `point` and
 * `oidvector` have elements too, and are none.
 */
const QUERY = `
  WITH RECURSIVE found (oid) AS (
    SELECT unnest($1::oid[])
    UNION
    SELECT part.oid FROM found JOIN pg_catalog.pg_type t ON t.oid = found.oid, LATERAL (VALUES (t.typbasetype), (t.typelem)) AS part (oid)
    WHERE part.oid <> 0
  )
  SELECT t.oid, t.typtype AS kind, t.typbasetype AS base, t.typtypmod AS modifier, pg_catalog.format_type(t.oid, -1) AS name,
         CASE WHEN e.typarray = t.oid THEN e.oid ELSE 0 END AS element, coalesce(s.prosrc = 'textsend', false) AS sends_text
  FROM found JOIN pg_catalog.pg_type t ON t.oid = found.oid LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
    LEFT JOIN pg_catalog.pg_proc s ON s.oid = t.typsend`;

const KINDS: Readonly<Record<string, SourceType['kind']>> = { e: 'enum', c: 'composite', r: 'range', m: 'range' };

/** The same tables, their columns with {@link SourceColumn.type}: those that are copied, and those that are computed. */
export async function resolveTypes(client: Client, tables: readonly SourceTable[]): Promise<SourceTable[]> {
  const used = tables.flatMap(({ columns, computed = [] }) => [...columns, ...computed]);
  const rows = await pgRows(client, QUERY, [[...new Set(used.map(({ typeOid }) => typeOid))]]);
  const types = new Map(rows.map((row) => [Number(row['oid']), row]));
  return tables.map((table) => ({
    ...table,
    columns: table.columns.map((column) => resolved(column, types)),
    ...(table.computed === undefined ? {} : { computed: table.computed.map((column) => resolved(column, types)) }),
  }));
}

function resolved<Column extends SourceColumn>(column: Column, types: ReadonlyMap<number, TextRow>): Column {
  const type = resolve(column.typeOid, column.typeMod, types);
  const isOwnBase = type.kind === 'base' && type.oid === column.typeOid && type.oid < FIRST_USER_OID;
  return isOwnBase ? column : { ...column, type };
}

function resolve(oid: number, typeMod: number, types: ReadonlyMap<number, TextRow>): SourceType {
  const row = types.get(oid);
  if (row === undefined) throw new AppError('INTERNAL', `the catalogue does not know the type ${oid}`);
  if (row['kind'] === 'd') return resolve(Number(row['base']), Number(row['modifier']), types);
  const element = Number(row['element']);
  return {
    oid,
    typeMod,
    name: row['name'] ?? '',
    kind: element === 0 ? (KINDS[row['kind'] ?? ''] ?? 'base') : 'array',
    element: element === 0 ? null : resolve(element, typeMod, types),
    sendsText: row['sends_text'] === 't',
  };
}
