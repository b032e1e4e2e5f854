/** What a commit need not wait for: the same once more, in other circumstances. */

/** True where `TEST_LONG=1` asks for all of it. */
export const IS_LONG = process.env['TEST_LONG'] === '1';

/** The cases of a commit, with those that it need not wait for where they are asked for. */
export function casesWith<Case>(always: readonly Case[], long: readonly Case[]): readonly Case[] {
  return IS_LONG ? [...always, ...long] : always;
}
