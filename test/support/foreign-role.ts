/** A role that may read and replicate, and owns nothing: the least that the README asks for. */
import { randomBytes } from 'node:crypto';
import { pgIdent } from '../../src/model/quote.ts';
import type { TemporaryPostgres } from './databases.ts';

/** The role, and where it connects to. */
export interface ForeignRole extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
}

/** Makes it; it may read what is in schema `public` by now, and whatever comes. Disposed of before its database is. */
export async function foreignRole({ client, url }: TemporaryPostgres): Promise<ForeignRole> {
  const name = `reader_${randomBytes(4).toString('hex')}`;
  const role = pgIdent(name);
  const password = randomBytes(12).toString('hex');
  await client.query(`CREATE ROLE ${role} LOGIN REPLICATION PASSWORD '${password}'; GRANT USAGE ON SCHEMA public TO ${role};
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}; ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO ${role}`);
  const own = new URL(url);
  own.username = name;
  own.password = password;
  return {
    name,
    url: own.toString(),
    [Symbol.asyncDispose]: async () => {
      await client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    },
  };
}
