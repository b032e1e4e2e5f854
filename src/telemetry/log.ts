/**
 * The log: JSON lines on stderr, or readable lines when stderr is a terminal.
 *
 * A logger is passed as an argument and narrowed with `child`, never global. Log per batch, never per
 * row, and never a row's values or a secret: what an error carries is cut down to what we wrote ourselves.
 */
import { styleText } from 'node:util';
import { pino } from 'pino';
import { AppError } from '../model/errors.ts';

/** A logger. `log.info({ table, rows }, 'chunk loaded')`: facts first, then a constant sentence. */
export type Log = pino.Logger;

/** Where log lines go, and which. */
export interface LogOptions {
  readonly level: string;
  /** stderr in the program. */
  readonly stream: { readonly isTTY?: boolean; write(text: string): unknown };
}

/** Keys whose values are secrets wherever they appear, one level down too. */
const SECRET_KEYS = ['password', 'url', 'postgresUrl', 'clickhouseUrl', 'connectionString'];

/** Opens the log of this process. */
export function openLog(options: LogOptions): Log {
  const { stream } = options;
  const write = (line: string): void => void stream.write(stream.isTTY === true ? readableLine(line) : line);
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`]), censor: '***' },
      serializers: { err: describeError, error: describeError },
    },
    { write },
  );
}

/** An error as the log shows it. Fields of drivers (`detail`, `where`) are left out: they quote rows. */
export function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  return {
    ...(error instanceof AppError ? { code: error.code, details: error.details } : { type: error.name }),
    message: error.message,
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}

const COLOURS = { trace: 'gray', debug: 'gray', info: 'green', warn: 'yellow', error: 'red', fatal: 'red' } as const;

/** What {@link describeError} gives, read back. */
interface ErrorLine {
  readonly code?: string;
  readonly type?: string;
  readonly message: string;
  readonly cause?: ErrorLine;
}

/** A line as pino writes it, with the options above. */
interface Line {
  readonly level: keyof typeof COLOURS;
  readonly time: string;
  readonly msg?: string;
  readonly err?: ErrorLine;
  readonly [fact: string]: unknown;
}

/** `12:00:01.250 info chunk loaded table=public.clicks rows=1000`, from a line of JSON. */
export function readableLine(line: string): string {
  const { level, time, msg, err, ...facts } = JSON.parse(line) as Line;
  const clock = time.slice(11, 23);
  const words = Object.entries(facts).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const error = err === undefined ? '' : `\n  ${errorText(err)}`;
  const text = [clock, styleText(COLOURS[level], level, { stream: process.stderr }), msg ?? '', ...words].join(' ');
  return `${text}${error}\n`;
}

function errorText(error: ErrorLine): string {
  const head = `${error.code ?? error.type ?? 'error'}: ${error.message}`;
  return error.cause === undefined ? head : `${head}\n  caused by ${errorText(error.cause)}`;
}
