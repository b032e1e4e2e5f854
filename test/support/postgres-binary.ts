/**
 * Writes values as PostgreSQL's send functions do, and COPY streams of them: the other side of the codec,
 * written independently of it, for tests and micro benchmarks.
 */

/** Fields of one row; null is NULL. */
export type BinaryRow = readonly (Buffer | null)[];

/** Signature, flags 0, no extension. */
export const COPY_HEADER = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);
/** The field count −1. */
export const COPY_TRAILER = Buffer.from([0xff, 0xff]);

/** Big-endian int16 (smallint). */
export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

/** Big-endian int32 (integer; date as days since 2000). */
export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** Big-endian int64 (bigint; timestamps as microseconds since 2000). */
export function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

/** real. */
export function float4(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatBE(value);
  return bytes;
}

/** double precision. */
export function float8(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
}

const SPECIAL_SIGNS: Readonly<Record<string, number>> = { NaN: 0xc000, Infinity: 0xd000, '-Infinity': 0xf000 };

/** numeric, from its text. */
export function numeric(text: string): Buffer {
  const special = SPECIAL_SIGNS[text];
  if (special !== undefined) return numericParts({ groups: [], weight: 0, sign: special, scale: 0 });
  const [whole = '', fraction = ''] = text.replace('-', '').split('.');
  const padded =
    whole.padStart(Math.ceil(whole.length / 4) * 4, '0') + fraction.padEnd(Math.ceil(fraction.length / 4) * 4, '0');
  const groups = (padded.match(/.{4}/g) ?? []).map(Number);
  let weight = Math.ceil(whole.length / 4) - 1;
  while (groups[0] === 0) {
    groups.shift();
    weight--;
  }
  while (groups.at(-1) === 0) groups.pop();
  const sign = text.startsWith('-') && groups.length > 0 ? 0x4000 : 0;
  return numericParts({ groups, weight: groups.length === 0 ? 0 : weight, sign, scale: fraction.length });
}

function numericParts(parts: { groups: number[]; weight: number; sign: number; scale: number }): Buffer {
  const head = [parts.groups.length, parts.weight, (parts.sign << 16) >> 16, parts.scale];
  return Buffer.concat([...head, ...parts.groups].map(int16));
}

/** uuid, from its text. */
export function uuid(text: string): Buffer {
  return Buffer.from(text.replaceAll('-', ''), 'hex');
}

/** One row of a COPY. */
export function copyRow(fields: BinaryRow): Buffer {
  const parts = [int16(fields.length)];
  for (const field of fields) parts.push(int32(field === null ? -1 : field.length), field ?? Buffer.alloc(0));
  return Buffer.concat(parts);
}

/** One CopyData message of the protocol. */
export function copyFrame(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from('d'), int32(bytes.length + 4), bytes]);
}

/** A whole COPY; framed as PostgreSQL does: the header with the first row, then each row by itself, then the trailer. */
export function copyStream(rows: readonly BinaryRow[], options: { framed: boolean }): Buffer {
  const bodies = [...rows.map(copyRow), COPY_TRAILER];
  bodies[0] = Buffer.concat([COPY_HEADER, bodies[0]!]);
  return Buffer.concat(options.framed ? bodies.map(copyFrame) : bodies);
}
