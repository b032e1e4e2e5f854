import { expect, test } from 'vitest';
import { adFault, isAdTable } from './roles.ts';
import type { SourceColumn, SourceTable } from './table.ts';
import { type Mask, NO_RULE } from './table-rule.ts';

function column(name: string, typeName: string, mask?: Mask): SourceColumn {
  const plain = { name, attnum: 1, typeOid: 25, typeMod: -1, typeName, nullable: true };
  return mask === undefined ? plain : { ...plain, choice: { mask } };
}

/** The table of advertisers, with a column that key figures do not need. */
function advertiser(masks: { name?: Mask; note?: Mask }): SourceTable {
  const columns = [
    column('id', 'integer'),
    column('name', 'character varying(255)', masks.name),
    column('updated_at', 'timestamp without time zone'),
    column('created_at', 'timestamp without time zone'),
    column('note', 'text', masks.note),
  ];
  const name = 'advertiser';
  return { oid: 1, schema: 'public', name, target: name, columns, key: [0], replicaIdentity: 'd', rule: NO_RULE };
}

const TRANSFORM: Mask = { kind: 'transform', apply: (value) => value, source: '(value) => value' };

test('a table that key figures are made of may have a column of its own transformed, and none that they need', () => {
  expect(isAdTable(advertiser({ note: TRANSFORM, name: { kind: 'truncate', characters: 3 } }))).toBe(true);
  expect(adFault(advertiser({ name: TRANSFORM }))).toContain('the rules for it want another mirror');
});
