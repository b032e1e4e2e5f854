import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { VersionOrder } from './version-order.ts';

const split = (lsn: bigint): { hi: number; lo: number } => ({ hi: Number(lsn >> 32n), lo: Number(lsn & 0xffffffffn) });
const whole = ({ hi, lo }: { hi: number; lo: number }): bigint => (BigInt(hi) << 32n) | BigInt(lo);

interface Transaction {
  readonly records: bigint[];
  readonly commit: bigint;
}

/** Length of a commit record, at least. */
const COMMIT_BYTES = 34n;

/** Transactions in commit order, their records anywhere before their own commit, around 4 GiB. */
const history = fc
  .array(fc.record({ gap: fc.bigInt(0n, 60n), records: fc.array(fc.bigInt(1n, 400n), { maxLength: 40 }) }), {
    maxLength: 12,
  })
  .map((steps) => {
    let commit = 0xffff_ff00n;
    return steps.map(({ gap, records }): Transaction => {
      commit += COMMIT_BYTES + gap;
      const at = commit;
      return { commit: at, records: records.map((back) => at - back).toSorted((a, b) => (a < b ? -1 : 1)) };
    });
  });

function versionsOf(transactions: readonly Transaction[], start: bigint, isKept = false): bigint[][] {
  const order = new VersionOrder(start);
  return transactions.map(({ records, commit }) => {
    order.begin(commit);
    const versions = records.map((record) => whole(order.next(split(record), isKept)));
    order.commit(commit + COMMIT_BYTES);
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
        before = commit + COMMIT_BYTES;
      }
    }),
  );
});

test('GIVEN any transactions WHEN every state is kept THEN their first 33 changes differ, and none reaches the next transaction', () => {
  fc.assert(
    fc.property(history, (transactions) => {
      for (const [i, versions] of versionsOf(transactions, 0n, true).entries()) {
        const { commit, records } = transactions[i] as Transaction;
        const isSameRecord = (row: number): boolean => records[row] === records[row - 1];
        for (let row = 1; row < Math.min(versions.length, 33); row++) {
          if (!isSameRecord(row)) expect(versions[row]).toBeGreaterThan(versions[row - 1] as bigint);
        }
        for (const version of versions) expect(version).toBeLessThan(commit + COMMIT_BYTES);
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
      const end = previous === undefined ? 0n : previous.commit + COMMIT_BYTES;
      expect(versionsOf(transactions.slice(from), end)).toEqual(versionsOf(transactions, 0n).slice(from));
    }),
  );
});
