/**
 * Which refusals of a server may pass by waiting, by its own codes: those are met by sending the same again, the
 * others would be answered the same for ever and are thrown at once.
 *
 * The tables name what is final. Everything else may pass: memory, disks, parts, quotas, overload, a server that is
 * stopping or starting, a read-only table, a constraint that somebody has added and may take back.
 */
import { type AppError, ERRORS } from './errors.ts';

/** ClickHouse's codes (ErrorCodes.cpp) of statements that do not fit what is there, or cannot be carried out at all. */
export const FINAL_CLICKHOUSE_CODES: ReadonlyMap<number, string> = new Map([
  // The statement itself.
  [62, 'SYNTAX_ERROR'],
  [46, 'UNKNOWN_FUNCTION'],
  [50, 'UNKNOWN_TYPE'],
  [42, 'NUMBER_OF_ARGUMENTS_DOESNT_MATCH'],
  [43, 'ILLEGAL_TYPE_OF_ARGUMENT'],
  [48, 'NOT_IMPLEMENTED'],
  [73, 'UNKNOWN_FORMAT'],
  [456, 'UNKNOWN_QUERY_PARAMETER'],
  // Objects that are not there, or not any more.
  [60, 'UNKNOWN_TABLE'],
  [81, 'UNKNOWN_DATABASE'],
  [218, 'TABLE_IS_DROPPED'],
  [746, 'DEPENDENCIES_NOT_FOUND'],
  // Columns that do not fit the table.
  [6, 'CANNOT_PARSE_TEXT'],
  [8, 'THERE_IS_NO_COLUMN'],
  [10, 'NOT_FOUND_COLUMN_IN_BLOCK'],
  [16, 'NO_SUCH_COLUMN_IN_TABLE'],
  [20, 'NUMBER_OF_COLUMNS_DOESNT_MATCH'],
  [47, 'UNKNOWN_IDENTIFIER'],
  [53, 'TYPE_MISMATCH'],
  [70, 'CANNOT_CONVERT_TYPE'],
  [117, 'INCORRECT_DATA'],
  [349, 'CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN'],
  // Settings that this server does not have, or does not let us change.
  [115, 'UNKNOWN_SETTING'],
  [452, 'SETTING_CONSTRAINT_VIOLATION'],
  [472, 'READONLY_SETTING'],
]);

/** Classes of PostgreSQL's SQLSTATE (errcodes.txt) that are final. */
export const FINAL_SQLSTATE_CLASSES: ReadonlyMap<string, string> = new Map([
  ['0A', 'Feature Not Supported'],
  ['22', 'Data Exception'],
  ['23', 'Integrity Constraint Violation'],
  ['26', 'Invalid SQL Statement Name'],
  ['42', 'Syntax Error or Access Rule Violation'],
]);

/**
 * Whether sending the same again may succeed one day. Lost connections may; a server's refusal by the tables above;
 * what our own code found wrong never.
 */
export function mayPass(error: AppError): boolean {
  const { clickhouseCode, sqlState } = error.details;
  const isRefused = error.code === 'MIGRATION_FAILED' && clickhouseCode !== undefined;
  if (error.code === 'CLICKHOUSE_FAILED' || isRefused) return !FINAL_CLICKHOUSE_CODES.has(Number(clickhouseCode));
  if (error.code === 'POSTGRES_FAILED') return !FINAL_SQLSTATE_CLASSES.has(String(sqlState).slice(0, 2));
  // The same would be asked for again, of a table that is another by now: another session asks for what there is.
  if (error.code === 'TABLE_ALTERED') return false;
  return ERRORS[error.code].remedy === 'retry';
}
