/** Asks before something is done that cannot be taken back. */
import { createInterface } from 'node:readline/promises';
import { AppError } from '../model/errors.ts';

/** Asks on the terminal. @throws {AppError} `CANCELLED` unless the answer is yes, `USAGE` when nobody can be asked. */
export async function confirm(question: string): Promise<void> {
  if (!process.stdin.isTTY) throw new AppError('USAGE', 'nobody can be asked here: add --yes');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`${question} Type yes: `);
  terminal.close();
  if (answer.trim() !== 'yes') throw new AppError('CANCELLED', 'not confirmed');
}
