/** Columns whose names ClickHouse reads otherwise than PostgreSQL. */
import { describe, expect, test } from 'vitest';
import type { SourceTable } from '../model/table.ts';
import { columnFault } from './table-fault.ts';

/** A table with these columns; those with a star are to be arrays. */
function tableOf(...names: string[]): SourceTable {
  const columns = names.map((name) => ({
    name: name.replace('*', ''),
    choice: name.endsWith('*') ? { as: 'array' } : undefined,
  }));
  return { schema: 'public', name: 't', columns } as unknown as SourceTable;
}

describe('columnFault', () => {
  test.each([[['a*', 'a.b']], [['a.b*', 'b.a*', 'a']], [['a.b', 'a.c*']]])(
    'GIVEN %j THEN nothing is wrong',
    (names) => {
      expect(columnFault(tableOf(...names))).toBeNull();
    },
  );

  test('GIVEN arrays whose names begin alike THEN both are named', () => {
    expect(columnFault(tableOf('id', 'a.b*', 'x', 'a.c*'))?.reason).toMatch(/“a\.b” and “a\.c”.*Nested/);
  });
});
