/** How an error is told: `error CODE: message` and a hint, or one JSON object; and the exit code it means. */
import { styleText } from 'node:util';
import { CommanderError } from '@commander-js/extra-typings';
import { AppError, ERRORS } from '../model/errors.ts';

/** 1 for a bug or a difference found, 2 for the user's input or environment. */
export function exitCodeOf(error: unknown): number {
  return asKnown(error)?.exitCode ?? 1;
}

/** Prints an error on stderr. The stack is shown under `debug` only. */
export function printError(error: unknown, options: { json: boolean; debug: boolean }): void {
  const text = options.json ? jsonText(error) : plainText(error);
  process.stderr.write(`${text}\n`);
  if (options.debug && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
}

function plainText(error: unknown): string {
  const { code, message, hint } = parts(error);
  const head = styleText('red', `error ${code}:`, { stream: process.stderr });
  return `${head} ${message}\n  ${styleText('dim', hint, { stream: process.stderr })}`;
}

function jsonText(error: unknown): string {
  const details = asKnown(error)?.details ?? {};
  return JSON.stringify({ error: { ...parts(error), ...(Object.keys(details).length === 0 ? {} : { details }) } });
}

function parts(error: unknown): { code: string; message: string; hint: string } {
  const known = asKnown(error);
  if (known !== null) return { code: known.code, message: known.message, hint: known.hint };
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'INTERNAL', message, hint: `${ERRORS.INTERNAL.hint} \`--log-level debug\` shows where it happened.` };
}

/** Commander's errors are mistakes in the command line: our USAGE. */
function asKnown(error: unknown): AppError | null {
  if (error instanceof AppError) return error;
  if (error instanceof CommanderError)
    return new AppError('USAGE', error.message.replace(/^error: /, ''), { cause: error });
  return null;
}
