/**
 * What a key figure's answer is in JSON: of `millrace kpi NAME --json`, and of whatever else gives it to programs. One schema
 * per figure, made from its columns; docs/kpis.schema.json has them all.
 */
import { z } from 'zod';
import type { KpiDefinition, Unit } from './definition.ts';
import { KPIS } from './definitions.ts';

/** Numbers of up to 64 bits and money are text, as a double would lose digits. */
const TYPES = {
  id: z.int(),
  text: z.string(),
  day: z.string().regex(/^-?\d{4}-\d\d-\d\d$/),
  time: z.string().regex(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?$/),
  count: z.string().regex(/^-?\d+$/),
  number: z.number(),
  ratio: z.number(),
  money: z.string().regex(/^-?\d+(\.\d+)?$/),
  estimate: z.number(),
  flag: z.boolean(),
} as const satisfies Record<Unit, z.ZodType>;

/** One row: its columns, no others. All but flags may be NULL: when, the figure's `nullRule` says. */
function rowSchema({ columns }: KpiDefinition): z.ZodType {
  const fields = columns.map(({ name, label, unit, meaning }) => {
    const type = unit === 'flag' ? TYPES.flag : TYPES[unit].nullable();
    return [name, type.describe(meaning === undefined ? label : `${label}: ${meaning}`)] as const;
  });
  return z.strictObject(Object.fromEntries(fields));
}

/** The whole answer. */
export function answerSchema(kpi: KpiDefinition): z.ZodType {
  return z
    .strictObject({
      kpi: z.literal(kpi.name),
      range: z.strictObject({ from: z.string(), to: z.string() }).nullable().describe('days, both included'),
      asOf: z
        .strictObject({ lsn: z.string().nullable(), commitTime: TYPES.time.nullable() })
        .describe('up to where in the source it holds; UTC'),
      loading: z.boolean().describe('some table is not complete yet: figures are too low'),
      timezone: z.string(),
      columns: z.array(
        z.strictObject({
          name: z.string(),
          label: z.string(),
          unit: z.enum(Object.keys(TYPES) as Unit[]),
          kind: z.enum(['id', 'number', 'text']),
          meaning: z.string().optional(),
        }),
      ),
      rows: z.array(rowSchema(kpi)),
    })
    .describe(`${kpi.title}: ${kpi.grain}`);
}

/** The schemas of all figures, as one JSON Schema: each under `$defs` by its name. */
export function kpiJsonSchema(): Record<string, unknown> {
  const kpis = Object.values<KpiDefinition>(KPIS);
  const schemas = kpis.map((kpi) => {
    const { $schema: _, ...schema } = z.toJSONSchema(answerSchema(kpi));
    return [kpi.name, schema] as const;
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Answers of `millrace kpi NAME --json`',
    oneOf: kpis.map(({ name }) => ({ $ref: `#/$defs/${name}` })),
    $defs: Object.fromEntries(schemas),
  };
}
