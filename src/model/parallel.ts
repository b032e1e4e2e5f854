/** Work on a list with a bounded number of hands. */

/**
 * Calls `work` for each item, at most `hands` at a time, in order.
 *
 * @throws the first error; no further item is begun then, and what runs is waited for.
 */
export async function parallel<T>(items: readonly T[], hands: number, work: (item: T) => Promise<void>): Promise<void> {
  const pending = items[Symbol.iterator]();
  let failed = false;
  const hand = async (): Promise<void> => {
    for (let next = pending.next(); next.done !== true && !failed; next = pending.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: Math.max(1, hands) }, hand));
  const rejected = outcomes.find((outcome) => outcome.status === 'rejected');
  if (rejected !== undefined) throw rejected.reason;
}
