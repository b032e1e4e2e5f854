/** Somebody who queries the copy all the time, and notes what no reader should ever see. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TemporaryClickHouse } from './databases.ts';

/** A reader at work. */
export interface Reader extends AsyncDisposable {
  /** Queries answered so far. */
  readonly reads: () => number;
  /** Queries that failed, and answers with fewer rows than agreed. */
  readonly complaints: () => readonly string[];
}

/** Reads the rows of a view and of its table over and over. @param atLeast Rows that are always there. */
export function startReader(ch: TemporaryClickHouse, table: string, atLeast: number): Reader {
  const complaints: string[] = [];
  let reads = 0;
  const over = new AbortController();
  const read = async (from: string): Promise<void> => {
    while (!over.signal.aborted) {
      try {
        const [row] = await ch.client.rows<{ n: string }>(`SELECT count() AS n FROM ${ch.database}.${from}`);
        reads += 1;
        // The machine is not the reader's alone.
        await sleep(10);
        if (Number(row?.n) < atLeast) complaints.push(`${from} had ${row?.n} rows`);
      } catch (error) {
        complaints.push(`${from}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  };
  const running = Promise.all([read(`${table}_current`), read(table)]);
  return {
    reads: () => reads,
    complaints: () => complaints,
    [Symbol.asyncDispose]: async () => {
      over.abort();
      await running;
    },
  };
}
