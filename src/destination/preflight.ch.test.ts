import { expect, test } from 'vitest';
import { temporaryClickHouse } from '../../test/support/databases.ts';
import { ClickHouse } from './client.ts';
import { checkClickHouse } from './preflight.ts';

test('GIVEN a server that suits WHEN it is checked THEN nothing stands in the way, and nothing was made', async () => {
  await using clickhouse = await temporaryClickHouse();
  const { client, database, internal } = clickhouse;
  const findings = await checkClickHouse(client, { database, internal });
  expect(findings.filter((finding) => finding.severity === 'error')).toEqual([]);
  const made = await client.rows(
    'SELECT name FROM system.databases WHERE name IN ({database:String}, {internal:String})',
    {
      params: { database, internal },
    },
  );
  expect(made).toEqual([]);
});

test('GIVEN a user who may only read THEN its limits are findings with a remedy', async () => {
  await using clickhouse = await temporaryClickHouse();
  await using reader = new ClickHouse(clickhouse.url, { settings: { readonly: 2 } });
  const findings = await checkClickHouse(reader, clickhouse);
  expect(findings).toContainEqual(expect.objectContaining({ code: 'readonly', severity: 'error' }));
});

test('GIVEN a wrong password THEN that is the one finding, without the password', async () => {
  await using clickhouse = await temporaryClickHouse();
  const url = new URL(clickhouse.url);
  url.password = 'hunter2';
  await using stranger = new ClickHouse(url.toString());
  const findings = await checkClickHouse(stranger, clickhouse);
  expect(findings).toMatchObject([{ code: 'connection', severity: 'error' }]);
  expect(JSON.stringify(findings)).not.toContain('hunter2');
});

test('GIVEN nobody answers THEN that is the one finding', async () => {
  await using nobody = new ClickHouse('http://default@127.0.0.1:1');
  const findings = await checkClickHouse(nobody, { database: 'ads', internal: 'millrace' });
  expect(findings).toMatchObject([{ code: 'connection', message: expect.stringContaining('ECONNREFUSED') as string }]);
});
