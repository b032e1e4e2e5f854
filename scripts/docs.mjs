/** Writes the documents that come from tables in the code (run by `npm run docs`, after a build). */
import { writeFileSync } from 'node:fs';
import { typesDocument } from '../dist/src/codec/types-document.js';
import { configDocument, errorsDocument } from '../dist/src/config/document.js';
import { configSchema } from '../dist/src/config/json-schema.js';
import { KPIS } from '../dist/src/kpi/definitions.js';
import { kpiJsonSchema } from '../dist/src/kpi/json-schema.js';
import { kpiDocument, kpiSourcesFile, kpiSqlFile } from '../dist/src/kpi/documents.js';

writeFileSync(new URL('../docs/config.md', import.meta.url), configDocument());
writeFileSync(new URL('../docs/millrace.schema.json', import.meta.url), `${JSON.stringify(configSchema(), null, 2)}\n`);
writeFileSync(new URL('../docs/errors.md', import.meta.url), errorsDocument());
writeFileSync(new URL('../docs/types.md', import.meta.url), typesDocument());
writeFileSync(new URL('../docs/kpis.md', import.meta.url), kpiDocument());
writeFileSync(new URL('../docs/kpis.schema.json', import.meta.url), `${JSON.stringify(kpiJsonSchema(), null, 2)}\n`);
writeFileSync(new URL('../sql/clickhouse/R__kpi_sources.sql', import.meta.url), kpiSourcesFile());
for (const kpi of Object.values(KPIS)) {
  writeFileSync(new URL(`../sql/kpi/${kpi.name}.sql`, import.meta.url), kpiSqlFile(kpi));
}
