/** Instants as text. */

/** `2026-11-23 12:56:01.123456` (UTC) from µs since 1970: as ClickHouse reads a `DateTime64(6, 'UTC')`. */
export function formatMicros(us: bigint): string {
  const micros = ((us % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const text = new Date(Number((us - micros) / 1000n)).toISOString().slice(0, 19).replace('T', ' ');
  return `${text}.${String(micros).padStart(6, '0')}`;
}

/** The µs since 1970 of such a text; 0 of none. */
export function parseMicros(text: string | number | undefined): bigint {
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\.(\d{6})$/.exec(String(text ?? ''));
  if (match === null) return 0n;
  return BigInt(Date.parse(`${match[1]}T${match[2]}Z`)) * 1000n + BigInt(match[3] ?? 0);
}
