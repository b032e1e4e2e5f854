/** What keeps a table from being copied as the configuration wants it. */

/** Why a table cannot be copied as the configuration wants it. */
export interface RuleFault {
  readonly reason: string;
  /** SQL or words that make it possible; null: nothing does. */
  readonly remedy: string | null;
}

/** A rule that does not fit its table. */
export function wrong(reason: string): RuleFault {
  return { reason, remedy: 'Correct the rule of the table in the configuration.' };
}
