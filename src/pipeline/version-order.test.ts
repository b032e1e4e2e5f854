import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { VersionOrder } from './version-order.ts';

const split = (lsn: bigint): { hi: number; lo: number } => ({ hi: Number(lsn >> 32n), lo: Number(lsn & 0xffffffffn) });
const whole = ({ hi, lo }: { hi: number; lo: number }): bigint => (BigInt(hi) << 32n) | BigInt(lo);

interface Transaction {
  readonly records: bigint[];
  readonly commit: bigint;
}

/** Transactions in commit order, their records anywhere before their own commit, around 4 GiB. */
const history = fc
  .array(fc.record({ gap: fc.bigInt(1n, 60n), records: fc.array(fc.bigInt(1n, 400n), { maxLength: 40 }) }), {
    maxLength: 12,
  })
  .map((steps) => {
    let commit = 0xffff_ff00n;
    return steps.map(({ gap, records }): Transaction => {
      commit += gap;
      const at = commit;
      return { commit: at, records: records.map((back) => at - back).toSorted((a, b) => (a < b ? -1 : 1)) };
    });
  });

function versionsOf(transactions: readonly Transaction[], start: bigint): bigint[][] {
  const order = new VersionOrder(start);
  return transactions.map(({ records, commit }) => {
    order.begin(commit);
    const versions = records.map((record) => whole(order.next(split(record))));
    order.commit(commit + 1n);
    return versions;
  });
}

test('GIVEN any transactions WHEN versions are given THEN they rise with the commits and never fall within one', () => {
  fc.assert(
    fc.property(history, (transactions) => {
      let before = 0n;
      for (const [i, versions] of versionsOf(transactions, 0n).entries()) {
        for (const version of versions) {
          expect(version).toBeGreaterThanOrEqual(before);
          before = version;
        }
        const { commit } = transactions[i] as Transaction;
        expect(before).toBeLessThanOrEqual(commit);
        before = commit + 1n;
      }
    }),
  );
});

test('GIVEN records in commit order WHEN versions are given THEN they are the positions', () => {
  const order = new VersionOrder(90n);
  order.begin(200n);
  expect([100n, 100n, 150n].map((record) => whole(order.next(split(record))))).toEqual([100n, 100n, 150n]);
});

test('GIVEN a crash WHEN transactions are delivered again from any of them THEN their versions are the same', () => {
  fc.assert(
    fc.property(history, fc.nat(11), (transactions, from) => {
      const previous = transactions[from - 1];
      const end = previous === undefined ? 0n : previous.commit + 1n;
      expect(versionsOf(transactions.slice(from), end)).toEqual(versionsOf(transactions, 0n).slice(from));
    }),
  );
});
