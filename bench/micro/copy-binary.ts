/**
 * Micro benchmark of the binary COPY reader: nanoseconds per row for the layouts that occur.
 *
 *   npm run build && node dist/bench/micro/copy-binary.js [rows]
 *
 * Every case reads the same bytes ten times, in chunks of 64 KiB as a socket delivers them, clearing the columns whenever
 * 100,000 rows are full; the best and the median of the rounds are printed.
 */
import { codecFor } from '../../src/codec/codecs.ts';
import { FAIL_UNFIT } from '../../src/codec/column-base.ts';
import { CopyBinaryReader } from '../../src/codec/copy-binary.ts';
import { type BinaryRow, copyStream, int32, int64, numeric } from '../../test/support/postgres-binary.ts';

const CHUNK_BYTES = 64 * 1024;
const BATCH_ROWS = 100_000;
const ROUNDS = 10;

/** Name, type OID, type modifier, nullable. */
type Shape = readonly [name: string, oid: number, typeMod: number, nullable: boolean];

const IMPRESSIONS: readonly Shape[] = [
  ['id', 23, -1, false],
  ['campaign_id', 23, -1, true],
  ['created_at', 1114, -1, true],
];
const NUMERIC_10_2 = ((10 << 16) | 2) + 4;
const CAMPAIGN: readonly Shape[] = [
  ['id', 23, -1, false],
  ['name', 1043, 259, false],
  ['bid', 1700, NUMERIC_10_2, false],
  ['budget', 1700, NUMERIC_10_2, false],
  ['start_date', 1082, -1, true],
  ['end_date', 1082, -1, true],
  ['advertiser_id', 23, -1, true],
  ['updated_at', 1114, -1, true],
  ['created_at', 1114, -1, true],
];

const PRICE = numeric('1234.56');

function impression(id: number, nullEvery: number): BinaryRow {
  return [
    int32(id),
    id % nullEvery === 1 ? null : int32(id % 5000),
    int64(700_000_000_000_000n + BigInt(id) * 1_234_567n),
  ];
}

function campaign(id: number): BinaryRow {
  const time = int64(700_000_000_000_000n + BigInt(id));
  return [
    int32(id),
    Buffer.from(`Campaign number ${id}`),
    PRICE,
    PRICE,
    int32(8000),
    int32(8030),
    int32(id % 100),
    time,
    time,
  ];
}

/** One pass over the stream; returns milliseconds. */
function round(stream: Buffer, shapes: readonly Shape[], framed: boolean): number {
  const codecs = shapes.map(([name, typeOid, typeMod, nullable], i) =>
    codecFor({ name, attnum: i + 1, typeOid, typeMod, typeName: '', nullable }),
  );
  const columns = codecs.map((codec) => codec.open(FAIL_UNFIT));
  const reader = new CopyBinaryReader(columns, codecs);
  const began = performance.now();
  for (let at = 0; at < stream.length;) {
    const end = Math.min(at + CHUNK_BYTES, stream.length);
    if (framed) at = reader.pushFrames(stream, at, end);
    else {
      reader.push(stream, at, end);
      at = end;
    }
    if (columns[0]!.length >= BATCH_ROWS) for (const column of columns) column.clear();
  }
  reader.end();
  return performance.now() - began;
}

function measure(title: string, rows: readonly BinaryRow[], shapes: readonly Shape[]): void {
  for (const framed of [true, false]) {
    const stream = copyStream(rows, { framed });
    const times = Array.from({ length: ROUNDS }, () => (round(stream, shapes, framed) * 1e6) / rows.length).toSorted(
      (a, b) => a - b,
    );
    const [best, median] = [times[0]!, times[ROUNDS / 2]!].map((time) => time.toFixed(1).padStart(6));
    console.log(
      `${`${title}, ${framed ? 'framed' : 'plain'}`.padEnd(44)} best ${best} ns/row, median ${median} ns/row`,
    );
  }
}

function main(rows: number): void {
  const cases: [string, readonly Shape[], (id: number) => BinaryRow][] = [
    ['impressions, no NULL', IMPRESSIONS, (id) => impression(id, rows + 1)],
    ['impressions, NULL in 2 % of rows', IMPRESSIONS, (id) => impression(id, 50)],
    ['impressions, NULL in 50 % of rows', IMPRESSIONS, (id) => impression(id, 2)],
    ['campaigns (varchar, numeric, dates)', CAMPAIGN, campaign],
  ];
  for (const [title, shapes, make] of cases) {
    measure(
      title,
      Array.from({ length: rows }, (_, i) => make(i + 1)),
      shapes,
    );
  }
}

main(Number(process.argv[2] ?? 300_000));
