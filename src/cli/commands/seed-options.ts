/** Parsers of the values of `millrace seed`'s options: commander names the option in the USAGE error. */
import { randomInt } from 'node:crypto';
import { InvalidArgumentError } from '@commander-js/extra-typings';
import { MAX_SEED } from '../../generator/random.ts';

/** Milliseconds of the units of a duration. */
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000 };

/** The longest wait of a Node.js timer, in ms: about 24 days. */
const MAX_TIMER_MS = 2_147_483_647;

/** `100` → 100. What a number may be is checked by the generator. */
export function parseNumber(text: string): number {
  if (/^[+-]?\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`“${text}” is not a number`);
}

/** `90s`, `500ms`, `5m`, `1h`, or seconds without a unit → milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|min|h)?$/.exec(text);
  const ms = Math.round(Number(match?.[1]) * (UNIT_MS[match?.[2] ?? 's'] ?? Number.NaN));
  if (ms >= 1 && ms <= MAX_TIMER_MS) return ms;
  throw new InvalidArgumentError(`“${text}” is not a duration such as 60s, 5m or 1h`);
}

/** `2026-03-01T12:00:00Z`, or a date alone, at 0:00 UTC. A time without a zone is refused, as its meaning is open. */
export function parseTime(text: string): Date {
  const date = String.raw`\d{4}-\d{2}-\d{2}`;
  const time = String.raw`T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})`;
  const parsed = new Date(text);
  if (new RegExp(`^${date}(${time})?$`).test(text) && !Number.isNaN(parsed.getTime())) return parsed;
  throw new InvalidArgumentError(`“${text}” is not a time such as 2026-03-01T12:00:00Z`);
}

/** The seed given, or one drawn now: it is printed, so that every run can be repeated. */
export function seedOrNew(seed: number | undefined): number {
  return seed ?? randomInt(MAX_SEED);
}
