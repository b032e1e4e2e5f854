import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { COPY_DATA, FrameSplitter, frameSize } from './frames.ts';

function frame(kind: string, body: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.write(kind, 'latin1');
  header.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}

/** Pushes the chunks and returns the frames heard, one by one, and how many runs of CopyData came. */
function split(chunks: readonly Buffer[], stopAt = '') {
  const frames: string[] = [];
  let runs = 0;
  const splitter = new FrameSplitter({
    onFrames(bytes, start, end) {
      runs += 1;
      for (let offset = start; offset < end; offset += frameSize(bytes, offset)) {
        expect(bytes[offset]).toBe(COPY_DATA);
        frames.push(bytes.toString('latin1', offset, offset + frameSize(bytes, offset)));
      }
    },
    onOther(bytes, start, end) {
      frames.push(bytes.toString('latin1', start, end));
      return bytes.toString('latin1', start, start + 1) !== stopAt;
    },
  });
  const taken = chunks.map((chunk) => splitter.push(chunk));
  return { frames, runs, taken };
}

const body = fc.oneof(
  fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
  fc.integer({ min: 65_000, max: 200_000 }).map((size) => Buffer.alloc(size, 0x64)),
);
const frames = fc.array(
  fc.tuple(fc.constantFrom('d', 'd', 'd', 'N', 'c'), body).map(([kind, bytes]) => frame(kind, bytes)),
  { minLength: 1, maxLength: 12 },
);

describe('the splitter', () => {
  test('GIVEN any frames cut into any chunks THEN it delivers the same frames in order', () => {
    fc.assert(
      fc.property(
        frames,
        fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 40 }),
        (list, sizes) => {
          const all = Buffer.concat(list);
          const chunks: Buffer[] = [];
          for (let offset = 0, turn = 0; offset < all.length; turn += 1) {
            const size = sizes[turn % sizes.length]! + (turn > 400 ? 100_000 : 0);
            chunks.push(all.subarray(offset, offset + size));
            offset += size;
          }
          expect(split(chunks).frames).toEqual(list.map((bytes) => bytes.toString('latin1')));
        },
      ),
      { numRuns: 60 },
    );
  });

  test('GIVEN many frames in one chunk THEN CopyData comes in one run', () => {
    const chunk = Buffer.concat(Array.from({ length: 100 }, (_, index) => frame('d', Buffer.from([index]))));
    expect(split([chunk])).toMatchObject({ runs: 1 });
    expect(split([chunk.subarray(0, 299), chunk.subarray(299)])).toMatchObject({ runs: 3 });
  });

  test('GIVEN a handler that stops THEN the rest of the chunk is left', () => {
    const first = frame('Z', Buffer.from('I'));
    const { taken, frames } = split([Buffer.concat([first, Buffer.from('rest')])], 'Z');
    expect(taken).toEqual([first.length]);
    expect(frames).toHaveLength(1);
  });

  test.each([0, 3, 0x4000_0001, 0xffff_ffff])('GIVEN a length of %i THEN PROTOCOL', (length) => {
    const chunk = Buffer.from('d\0\0\0\0');
    chunk.writeUInt32BE(length, 1);
    expect(() => split([chunk])).toThrow(expect.objectContaining({ code: 'PROTOCOL' }));
  });
});
