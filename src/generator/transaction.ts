/** One transaction around the work of a command. */
import type pg from 'pg';
import { isAbort } from '../model/errors.ts';
import { postgresError } from '../source/connection.ts';

/**
 * Runs the work in one transaction: all of its rows, or none.
 *
 * @throws {AppError} What the work threw, after the transaction was rolled back; an abort as it is.
 */
export async function inTransaction<Result>(client: pg.Client, work: () => Promise<Result>): Promise<Result> {
  try {
    await client.query('BEGIN');
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // On a broken connection this fails as well; the server has then rolled back, and the first error tells why.
    await client.query('ROLLBACK').catch(() => undefined);
    throw isAbort(error) ? error : postgresError(error, 'PostgreSQL refused to write');
  }
}
