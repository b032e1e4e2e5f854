/**
 * A file of the journal: blocks of messages, each made durable by itself.
 *
 *   block = bytes of the payload (UInt32), CRC-32 of what follows (UInt32), end (UInt64), payload
 *   payload = records: length of the message (UInt32), position (two UInt32: hi, lo), message
 *
 * `end`: everything committed before it is in the journal up to here; 0 when the block ends inside a transaction.
 * A block that a crash has cut is told by its checksum.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import type { Lsn } from '../model/lsn.ts';

const BLOCK_HEADER = 16;
/** Bytes of a record before its message. */
export const RECORD_BYTES = 12;

/** A block as it is read back. */
export interface Block {
  readonly endLsn: Lsn;
  readonly payload: Buffer;
  /** Offset in its file behind it. */
  readonly endOffset: number;
}

/** Header and payload of a block. */
export function encodeBlock(payload: readonly Buffer[], endLsn: Lsn): Buffer[] {
  const header = Buffer.alloc(BLOCK_HEADER);
  header.writeUInt32LE(
    payload.reduce((bytes, part) => bytes + part.length, 0),
    0,
  );
  header.writeBigUInt64LE(endLsn, 8);
  const sum = payload.reduce((crc, part) => crc32(part, crc), crc32(header.subarray(8)));
  header.writeUInt32LE(sum, 4);
  return [header, ...payload];
}

/** Reads the blocks of a file from its start; ends before the first that is not whole. */
export async function* readBlocks(path: string): AsyncGenerator<Block, void, void> {
  const file = await open(path, 'r');
  try {
    for (let offset = 0; ;) {
      const block = await readBlock(file, offset);
      if (block === null) return;
      yield block;
      offset = block.endOffset;
    }
  } finally {
    await file.close();
  }
}

async function readBlock(file: FileHandle, offset: number): Promise<Block | null> {
  const header = await readExactly(file, offset, BLOCK_HEADER);
  if (header === null) return null;
  const payload = await readExactly(file, offset + BLOCK_HEADER, header.readUInt32LE(0));
  if (payload === null || crc32(payload, crc32(header.subarray(8))) !== header.readUInt32LE(4)) return null;
  return { endLsn: header.readBigUInt64LE(8), payload, endOffset: offset + BLOCK_HEADER + payload.length };
}

async function readExactly(file: FileHandle, offset: number, length: number): Promise<Buffer | null> {
  const { size } = await file.stat();
  if (offset + length > size) return null;
  const bytes = Buffer.allocUnsafe(length);
  for (let have = 0; have < length;) {
    const { bytesRead } = await file.read(bytes, have, length - have, offset + have);
    if (bytesRead === 0) return null;
    have += bytesRead;
  }
  return bytes;
}
