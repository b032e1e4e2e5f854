/** A ClickHouse of one test's own: it can be killed and started again. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClickHouse } from '../../src/destination/client.ts';
import { type EmbeddedClickHouse, startClickHouse } from '../../src/engines/clickhouse.ts';
import type { TemporaryClickHouse } from './databases.ts';

/** A server with a copy's two databases on it. */
export interface OwnClickHouse extends TemporaryClickHouse {
  kill(): Promise<void>;
  /** At the same address, with the same data. */
  start(): Promise<void>;
}

/** Starts a server in a directory of its own; at the end both are gone. */
export async function ownClickHouse(): Promise<OwnClickHouse> {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  let server: EmbeddedClickHouse | null = await startClickHouse({ dataDir });
  const { url, httpPort, tcpPort } = server;
  const client = new ClickHouse(url, { applicationName: 'test' });
  const kill = async (): Promise<void> => {
    await server?.kill();
    server = null;
  };
  return {
    url,
    client,
    database: 'ads',
    internal: 'millrace',
    kill,
    start: async () => {
      server = await startClickHouse({ dataDir, httpPort, tcpPort });
    },
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]();
      await kill();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
