/** The JSON schema of millrace.yaml, for editors. Written by `npm run docs`. */
import { z } from 'zod';
import { TABLE_PATTERN } from '../model/patterns.ts';
import { type Kind, type Option, OPTION_NAMES, OPTIONS } from './options.ts';
import { TABLE_RULES } from './table-keys.ts';

/** The schema, as JSON. */
export function configSchema(): Record<string, unknown> {
  const options = OPTION_NAMES.map((name) => {
    const option: Option = OPTIONS[name];
    const fallback = option.default === null ? {} : { default: option.default };
    return [name, { description: option.text, ...schemaOf(option.kind), ...fallback }];
  });
  const { $schema, ...tables } = z.toJSONSchema(TABLE_RULES, {
    io: 'input',
    // Functions: YAML has none.
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema._zod.def.type === 'custom') jsonSchema.not = {};
    },
  });
  return {
    $schema,
    title: 'Configuration of Millrace (millrace.yaml)',
    type: 'object',
    additionalProperties: false,
    properties: {
      ...(Object.fromEntries(options) as object),
      tables: { description: 'Rules for tables, the later ones winning, key by key.', ...tables },
    },
  };
}

function schemaOf(kind: Kind): object {
  switch (kind.type) {
    case 'integer':
      return { type: 'integer', minimum: kind.min, maximum: kind.max };
    case 'bytes':
      return { anyOf: [{ type: 'integer', minimum: kind.min, maximum: kind.max }, { type: 'string' }] };
    case 'patterns':
      return {
        anyOf: [{ type: 'array', items: { type: 'string', pattern: TABLE_PATTERN.source } }, { type: 'string' }],
      };
    case 'list':
      return { anyOf: [{ type: 'array', items: { type: 'string', pattern: kind.pattern } }, { type: 'string' }] };
    case 'choice':
      return { enum: [...kind.choices] };
    case 'secret':
      return { type: 'string', minLength: kind.minLength };
    case 'name':
      return { type: 'string', pattern: '^[a-z_][a-z0-9_]{0,62}$' };
    case 'timezone':
    case 'url':
    case 'path':
      return { type: 'string', minLength: 1 };
  }
}
