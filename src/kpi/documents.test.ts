import { describe, expect, test } from 'vitest';
import { PARAMS, type ParamName } from './definition.ts';
import { KPIS } from './definitions.ts';
import { kpiDocument, kpiSourcesFile, kpiSqlFile } from './documents.ts';
import { kpiJsonSchema } from './json-schema.ts';
import { withSources } from './short-cuts.ts';
import { PRESENT } from './sources.ts';

// Update with `vitest run src/kpi/documents.test.ts -u`, or `npm run docs`.
describe('files written from the definitions', () => {
  test('WHEN a definition changes THEN the views, the SQL files and the page have changed with it', async () => {
    await expect(kpiSourcesFile()).toMatchFileSnapshot('../../sql/clickhouse/R__kpi_sources.sql');
    await expect(kpiDocument()).toMatchFileSnapshot('../../docs/kpis.md');
    const schema = `${JSON.stringify(kpiJsonSchema(), null, 2)}\n`;
    await expect(schema).toMatchFileSnapshot('../../docs/kpis.schema.json');
    for (const kpi of Object.values(KPIS)) {
      await expect(kpiSqlFile(kpi)).toMatchFileSnapshot(`../../sql/kpi/${kpi.name}.sql`);
    }
  });

  test('GIVEN the definitions THEN each is complete and named consistently', () => {
    for (const [name, kpi] of Object.entries(KPIS)) {
      expect(kpi.name).toBe(name);
      expect(kpi.view).toBe(`kpi_${name}`);
      for (const { name: column } of kpi.columns) expect(kpi.sql).toContain(column);
      expect(kpi.sql).toContain('as_of_lsn');
      for (const param of Object.keys(PARAMS) as ParamName[])
        expect([name, param, withSources(kpi.sql, PRESENT).includes(`{${param}:`)]).toEqual([
          name,
          param,
          (kpi.params as readonly string[]).includes(param),
        ]);
    }
  });
});
