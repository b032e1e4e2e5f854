/**
 * The limit of any reader of the stream: takes the bytes from the socket as we do (same session, same
 * gathering of packets), and does nothing but count inserts.
 */
import { connectPostgres } from '../../src/source/connection.ts';
import { FRAME_HEADER, frameSize } from '../../src/source/frames.ts';
import { ReadGathering } from '../../src/source/read-gathering.ts';
import { type CopyHandler, ReplicationQuery } from '../../src/source/replication.ts';
import { XLOG_DATA_HEADER } from '../../src/source/standby-status.ts';

const INSERT = 0x49;
const HOLD_GATHERING = 1;

/** Which stream, and how far. */
export interface BareOptions {
  readonly postgresUrl: string;
  readonly slot: string;
  readonly publication: string;
  /** Inserts to wait for. */
  readonly inserts: number;
}

/** Receives without confirming; resolves when the last insert is there. For streams shorter than a minute. */
export async function receiveBare(options: BareOptions): Promise<void> {
  const client = await connectPostgres(options.postgresUrl, { replication: true, applicationName: 'bench' });
  const settings = `proto_version '1', publication_names '"${options.publication}"', binary 'true'`;
  let inserts = 0;
  let readStartedAt = 0;
  await new Promise<void>((resolve, reject) => {
    const handler: CopyHandler = {
      onFrames(bytes, start, end) {
        readStartedAt ||= performance.now();
        for (let at = start; at < end; at += frameSize(bytes, at)) {
          if (bytes[at + FRAME_HEADER + XLOG_DATA_HEADER] === INSERT) inserts++;
        }
        if (inserts >= options.inserts) resolve();
      },
      onReadEnd(byteLength) {
        const endedAt = performance.now();
        gathering.onRead(byteLength, readStartedAt || endedAt, endedAt);
        readStartedAt = 0;
      },
    };
    const query = new ReplicationQuery(`START_REPLICATION SLOT "${options.slot}" LOGICAL 0/0 (${settings})`, handler);
    const gathering = new ReadGathering(
      () => query.hold(HOLD_GATHERING),
      () => query.release(HOLD_GATHERING),
    );
    query.done.catch(reject);
    client.query(query);
  });
}
