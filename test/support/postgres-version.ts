/** Which PostgreSQL the tests run on: some things came with a later version. */
import { inject } from 'vitest';
import { connectPostgres, pgRows } from '../../src/source/connection.ts';

/** Major version of the server, for example 18. */
export async function postgresMajor(): Promise<number> {
  const client = await connectPostgres(inject('postgresUrl'), { applicationName: 'test' });
  try {
    const [row] = await pgRows(client, "SELECT current_setting('server_version_num') AS number");
    return Math.trunc(Number(row?.['number']) / 10_000);
  } finally {
    await client.end();
  }
}
