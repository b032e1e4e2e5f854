/** The configuration files of the embedded ClickHouse server. */
import { createHash } from 'node:crypto';

/** What differs between two servers. */
export interface ClickHouseSetup {
  readonly password: string;
  readonly readerPassword: string;
  /** Settings of the writer's profile. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** More elements of the server's configuration, as XML. */
  readonly extra: string;
}

/** The server's configuration. Logs go to the console, which is our log file. */
export function serverConfig(usersFile: string, setup: ClickHouseSetup): string {
  return `<clickhouse>
  <users_config>${xml(usersFile)}</users_config>
  <logger><console>1</console></logger>
  <mlock_executable>false</mlock_executable>
  ${setup.extra}
</clickhouse>
`;
}

/** The user that our programs write as. */
export const WRITER = 'millrace';

/** The user that may only read tables: for people and for pages. */
export const READER = 'reader';

/**
 * Users. Only digests of the passwords are stored here.
 *
 * `default` is the session that opens the listeners and waits for the end of stdin. The library gives it no
 * password, so nobody else may have it: it is allowed one session at a time, and that one lasts as long as the
 * server. It may do nothing beyond those statements either.
 */
export function usersConfig(setup: ClickHouseSetup): string {
  const settings = Object.entries({ async_insert: 0, ...setup.settings });
  const writer = settings.map(([name, value]) => `<${name}>${xml(String(value))}</${name}>`).join('');
  const starter = grants('SYSTEM LISTEN ON *.*', 'READ ON FILE', 'CREATE TEMPORARY TABLE ON *.*');
  const reader = grants('SELECT ON *.*', 'dictGet ON *.*', 'SHOW ON *.*');
  return `<clickhouse>
  <profiles>
    <default/>
    <starter><max_sessions_for_user>1</max_sessions_for_user></starter>
    <writer>${writer}</writer>
    <reader><readonly>2</readonly><max_execution_time>60</max_execution_time><max_result_rows>1000000</max_result_rows></reader>
  </profiles>
  <users>
    <default><no_password/>${LOCAL}<profile>starter</profile>${starter}</default>
    <${WRITER}>${digest(setup.password)}${LOCAL}<profile>writer</profile></${WRITER}>
    <${READER}>${digest(setup.readerPassword)}${LOCAL}<profile>reader</profile>${reader}</${READER}>
  </users>
  <quotas><default/></quotas>
</clickhouse>
`;
}

const LOCAL = '<networks><ip>127.0.0.1</ip></networks><quota>default</quota>';

function grants(...privileges: readonly string[]): string {
  return `<grants>${privileges.map((privilege) => `<query>GRANT ${privilege}</query>`).join('')}</grants>`;
}

function digest(password: string): string {
  return `<password_sha256_hex>${createHash('sha256').update(password).digest('hex')}</password_sha256_hex>`;
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
