import { expect, test } from 'vitest';
import { hasOtherRule, mayKeepDeleted, ruleDigest } from './rule-digest.ts';
import { NO_RULE, type TableRule } from './table-rule.ts';
import type { ColumnChoice, SourceTable } from './table.ts';

function table(
  rule: Partial<TableRule>,
  choices: readonly (ColumnChoice | undefined)[] = [undefined, undefined],
): SourceTable {
  const columns = choices.map((choice, i) => ({
    name: `c${i}`, attnum: i + 1, typeOid: 25, typeMod: -1, typeName: 'text', nullable: true, ...(choice === undefined ? {} : { choice }),
  })); // prettier-ignore
  return {
    oid: 1,
    schema: 'public',
    name: 't',
    target: 't',
    columns,
    key: [0],
    replicaIdentity: 'd',
    rule: { ...NO_RULE, ...rule },
  };
}

const before = ruleDigest(table({}));

test.each([
  { what: 'nothing', now: ruleDigest(table({})), isOther: false },
  {
    what: 'a column that came',
    now: ruleDigest(table({}, [undefined, undefined, { mask: { kind: 'null' } }])),
    isOther: false,
  },
  { what: 'a column that went', now: ruleDigest(table({}, [undefined])), isOther: false },
  { what: 'a mask', now: ruleDigest(table({}, [undefined, { mask: { kind: 'null' } }])), isOther: true },
  {
    what: 'an exclusion',
    now: ruleDigest({ ...table({}, [undefined]), excluded: table({}).columns.slice(1) }),
    isOther: true,
  },
  { what: 'a filter', now: ruleDigest(table({ where: 'a' })), isOther: true },
  { what: 'a delete policy', now: ruleDigest(table({ onDelete: 'soft' })), isOther: true },
  { what: 'that no rule is left, of one that said nothing', now: '', isOther: false },
])('$what changed: other rules $isOther', ({ now, isOther }) => {
  expect(hasOtherRule(before, now)).toBe(isOther);
});

test.each([
  { what: 'a rule that says nothing of what is copied', rule: ruleDigest(table({})), isOther: false },
  { what: 'a mask', rule: ruleDigest(table({}, [{ mask: { kind: 'null' } }])), isOther: true },
  { what: 'a filter', rule: ruleDigest(table({ where: 'a' })), isOther: true },
  { what: 'an exclusion', rule: ruleDigest({ ...table({}), excluded: table({}).columns }), isOther: true },
])('$what came, or went, where there was no other rule: other rules $isOther', ({ rule, isOther }) => {
  expect([hasOtherRule('', rule), hasOtherRule(rule, '')]).toEqual([isOther, isOther]);
});

test('another salt is another rule, and is not kept', () => {
  const [a, b] = ['the first long salt', 'the other long salt'].map((salt) =>
    ruleDigest(table({}, [{ mask: { kind: 'hash', salt } }])),
  );
  expect(hasOtherRule(a ?? '', b ?? '')).toBe(true);
  expect(a).not.toContain('salt');
  expect([mayKeepDeleted(''), mayKeepDeleted(before), mayKeepDeleted(ruleDigest(table({ onDelete: 'keep' })))]).toEqual(
    [false, false, true],
  );
});
