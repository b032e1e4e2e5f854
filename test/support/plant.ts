/** Writes to a copy past its pipeline: with the mark of the epoch in force, as the tables take no other. */
import { Fence, writeTag } from '../../src/destination/fence.ts';
import type { TemporaryClickHouse } from './databases.ts';

/** The settings of a statement that the pipeline in force could have sent. */
export async function presentWriter(ch: TemporaryClickHouse, pipeline: string): Promise<{ log_comment: string }> {
  const epoch = await new Fence(ch.client, ch, pipeline).read();
  return { log_comment: writeTag(ch, { pipeline, epoch }, 'test') };
}

/** Raises the fence for tests that have no pipeline, and returns its writer's settings. */
export async function newWriter(ch: TemporaryClickHouse, pipeline: string): Promise<{ log_comment: string }> {
  await new Fence(ch.client, ch, pipeline).raise(1n, 0n);
  return await presentWriter(ch, pipeline);
}
