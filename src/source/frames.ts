/**
 * Cuts what a socket delivers into the frames of PostgreSQL's protocol, in place: runs of CopyData
 * frames are passed on as one range of the chunk they came in, and only the frame that a chunk's end
 * cuts in two is copied.
 *
 *   frame = kind (1 byte), length (UInt32, counts itself but not the kind), body
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import { AppError } from '../model/errors.ts';

/** Kind of a CopyData frame: `d`. */
export const COPY_DATA = 0x64;
/** Bytes before a frame's body: kind and length. */
export const FRAME_HEADER = 5;

/** Longer frames do not exist: the server builds every message in at most 1 GiB. */
const MAX_FRAME = 0x4000_0000;
const SCRATCH_BYTES = 65_536;

/** Receives frames; the ranges are views, valid only during the call. */
export interface FrameHandler {
  /** `bytes[start, end)` is one or more complete CopyData frames, headers included. */
  onFrames(bytes: Buffer, start: number, end: number): void;
  /** `bytes[start, end)` is one complete frame of another kind. Returns false to stop the splitter behind it. */
  onOther(bytes: Buffer, start: number, end: number): boolean;
}

/** The whole size of the frame at `bytes[offset]`, header included. @throws {AppError} `PROTOCOL`. */
export function frameSize(bytes: Buffer, offset: number): number {
  const length =
    ((bytes[offset + 1]! << 24) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 8) | bytes[offset + 4]!) >>> 0;
  if (length < 4 || length > MAX_FRAME) throw new AppError('PROTOCOL', `a frame of ${length} bytes from PostgreSQL`);
  return length + 1;
}

/** Cuts one connection's bytes into frames. */
export class FrameSplitter {
  readonly #handler: FrameHandler;
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  /** The frame that is not complete yet: `#carry[0, #have)` of `#need` bytes. */
  #carry = this.#scratch;
  #have = 0;
  #need = 0;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /**
   * Takes the next chunk.
   *
   * @returns Bytes of the chunk that were taken: less than its length only when the handler stopped the splitter.
   * @throws {AppError} `PROTOCOL`; whatever the handler throws.
   */
  push(chunk: Buffer): number {
    let offset = 0;
    while (this.#have > 0 && offset < chunk.length) {
      offset = this.#fill(chunk, offset);
      if (this.#have === this.#need && !this.#deliverCarry()) return offset;
    }
    return this.#have > 0 ? offset : this.#walk(chunk, offset);
  }

  /** Walks complete frames in place, keeps the rest for the next chunk. */
  #walk(chunk: Buffer, from: number): number {
    const { length } = chunk;
    let runStart = from;
    let offset = from;
    while (offset + FRAME_HEADER <= length) {
      const end = offset + frameSize(chunk, offset);
      if (end > length) break;
      if (chunk[offset] !== COPY_DATA) {
        if (offset > runStart) this.#handler.onFrames(chunk, runStart, offset);
        if (!this.#handler.onOther(chunk, offset, end)) return end;
        runStart = end;
      }
      offset = end;
    }
    if (offset > runStart) this.#handler.onFrames(chunk, runStart, offset);
    if (offset < length) this.#begin(chunk, offset);
    return length;
  }

  /** Starts carrying the incomplete frame at `chunk[offset]`. */
  #begin(chunk: Buffer, offset: number): void {
    const isHeaderThere = chunk.length - offset >= FRAME_HEADER;
    this.#need = isHeaderThere ? frameSize(chunk, offset) : FRAME_HEADER;
    this.#reserve();
    this.#have = chunk.copy(this.#carry, 0, offset);
  }

  /** Adds to the carried frame what it still needs. Returns the offset behind the bytes taken. */
  #fill(chunk: Buffer, offset: number): number {
    const end = Math.min(chunk.length, offset + this.#need - this.#have);
    this.#have += chunk.copy(this.#carry, this.#have, offset, end);
    if (this.#have === FRAME_HEADER && this.#need === FRAME_HEADER) {
      this.#need = frameSize(this.#carry, 0);
      this.#reserve();
    }
    return end;
  }

  /** Makes room for the whole carried frame at once, so that its bytes are copied only once. */
  #reserve(): void {
    if (this.#need <= this.#carry.length) return;
    const larger = Buffer.allocUnsafeSlow(this.#need);
    this.#carry.copy(larger, 0, 0, this.#have);
    this.#carry = larger;
  }

  #deliverCarry(): boolean {
    const bytes = this.#carry;
    const end = this.#need;
    this.#have = 0;
    this.#need = 0;
    this.#carry = this.#scratch;
    if (bytes[0] !== COPY_DATA) return this.#handler.onOther(bytes, 0, end);
    this.#handler.onFrames(bytes, 0, end);
    return true;
  }
}
