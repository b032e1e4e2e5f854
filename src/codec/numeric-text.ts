/** The specials of numeric, and its binary form written as text (for messages only). */
import { int16At } from './big-endian.ts';

/** Sign word of a negative number. */
export const NUMERIC_NEGATIVE = 0x4000;

const POSITIVE = 0x0000;
const SPECIAL_SIGNS: Readonly<Record<number, string>> = { 0xc000: 'NaN', 0xd000: 'Infinity', 0xf000: '-Infinity' };
/** Bytes before the digits: their count, the weight of the first, the sign, the display scale. */
export const NUMERIC_HEAD_BYTES = 8;

/** True for `NaN`, `Infinity`, `-Infinity`. */
export function isSpecialNumeric(text: string): boolean {
  return Object.values(SPECIAL_SIGNS).includes(text);
}

/** The name of a special sign word; null for an ordinary number, undefined for no sign word at all. */
export function specialOfSign(sign: number): string | null | undefined {
  if (sign === POSITIVE || sign === NUMERIC_NEGATIVE) return null;
  return SPECIAL_SIGNS[sign];
}

/**
 * A binary numeric as PostgreSQL writes it.
 *
 * @param bytes A complete value of `numeric_send` at `start`.
 */
export function formatNumeric(bytes: Buffer, start: number): string {
  const weight = int16At(bytes, start + 2);
  const scale = bytes.readUInt16BE(start + 6);
  const groups = Array.from({ length: bytes.readUInt16BE(start) }, (_, i) =>
    int16At(bytes, start + NUMERIC_HEAD_BYTES + 2 * i),
  );
  const group = (power: number): string => String(groups[weight - power] ?? 0).padStart(4, '0');
  let whole = '';
  for (let power = Math.max(weight, 0); power >= 0; power--) whole += group(power);
  let fraction = '';
  for (let power = -1; fraction.length < scale; power--) fraction += group(power);
  const sign = bytes.readUInt16BE(start + 4) === NUMERIC_NEGATIVE ? '-' : '';
  return `${sign}${whole.replace(/^0+(?=\d)/, '')}${scale === 0 ? '' : `.${fraction.slice(0, scale)}`}`;
}

/** An unscaled decimal with its point: `-12345` with scale 2 → `-123.45`. */
export function decimalText(value: bigint, scale: number): string {
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0');
  const body = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return value < 0n ? `-${body}` : body;
}
