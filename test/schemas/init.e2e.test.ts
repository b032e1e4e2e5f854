/** What `millrace init` proposes for a real schema is taken as it is: nothing is left to find. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Finding } from '../../src/model/finding.ts';
import type { StartPlan } from '../../src/pipeline/plan.ts';
import { millrace } from '../support/command.ts';
import { temporaryClickHouse, temporaryPostgres } from '../support/databases.ts';
import { COMMERCE } from './commerce/commerce.ts';
import { EXCHANGE } from './exchange/exchange.ts';
import { LEGACY } from './legacy/legacy.ts';
import { Traffic } from './traffic.ts';

test.each([EXCHANGE, COMMERCE, LEGACY])(
  'GIVEN schema $name WHEN init proposes a configuration THEN it is checked and planned without an error, and every table is loaded',
  async (schema) => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await new Traffic(schema).setup(pg.client);
    const file = join(await mkdtemp(join(tmpdir(), 'millrace-init-')), 'millrace.yaml');
    expect(await millrace(['init', file], pg, ch)).toMatchObject({ exitCode: 0, stderr: '' });
    const checked = await millrace(['check', '--json', '--config', file], pg, ch);
    const { postgres } = JSON.parse(checked.stdout) as { postgres: Finding[] };
    expect(postgres.filter(({ severity }) => severity === 'error')).toEqual([]);
    const planned = await millrace(['plan', '--json', '--config', file], pg, ch);
    expect(planned).toMatchObject({ exitCode: 0, stderr: '' });
    const { tables, findings } = JSON.parse(planned.stdout) as StartPlan;
    expect(tables.length).toBeGreaterThan(5);
    expect(tables.filter(({ fate }) => fate !== 'loaded')).toEqual([]);
    // Tables without a key are copied, and told.
    expect(findings.filter(({ message }) => !/has no key/.test(message))).toEqual([]);
  },
);
