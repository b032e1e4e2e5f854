/** Small writes that come while one is under way go together in the next: each costs the server a part of its own. */
import { setMaxListeners } from 'node:events';

/** A row of a table of ours, by the names of its columns. */
export type StoredRow = Readonly<Record<string, string | number>>;

interface Group {
  readonly rows: StoredRow[];
  readonly signals: (AbortSignal | undefined)[];
  sent: Promise<void>;
}

/** Writes rows in groups, one group after the other. */
export class GroupedRows {
  readonly #send: (rows: readonly StoredRow[], signal: AbortSignal | undefined) => Promise<void>;
  #next: Group | null = null;
  #last: Promise<void> = Promise.resolve();

  /** @param send Writes rows, all or none of them; they are durable when it returns. */
  constructor(send: (rows: readonly StoredRow[], signal: AbortSignal | undefined) => Promise<void>) {
    this.#send = send;
  }

  /**
   * Writes rows, all or none of them; durable when it returns. What fails fails for everybody in the group.
   *
   * @param signal Gives up the waiting; the write itself is given up once all those who asked for it have given up.
   */
  async add(rows: readonly StoredRow[], signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const group = this.#next ?? this.#begin();
    for (const row of rows) group.rows.push(row);
    group.signals.push(signal);
    await orAborted(group.sent, signal);
  }

  #begin(): Group {
    const group: Group = { rows: [], signals: [], sent: Promise.resolve() };
    group.sent = this.#last.then(async () => {
      this.#next = null;
      await this.#send(group.rows, onceAllAborted(group.signals));
    });
    this.#last = group.sent.catch(() => undefined);
    this.#next = group;
    return group;
  }
}

async function orAborted(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return await work;
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    // One listener per write that waits: more than ten are no leak.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', onAbort, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Aborts when all of them have; undefined when one of them never does. */
function onceAllAborted(signals: readonly (AbortSignal | undefined)[]): AbortSignal | undefined {
  const distinct = new Set(signals);
  const all = [...distinct].filter((signal) => signal !== undefined);
  if (all.length < distinct.size) return undefined;
  if (all.length === 1) return all[0];
  const controller = new AbortController();
  let open = all.filter((signal) => !signal.aborted).length;
  const onAbort = (event: Event): void => {
    if (--open === 0) controller.abort((event.target as AbortSignal).reason);
  };
  for (const signal of all) signal.addEventListener('abort', onAbort, { once: true });
  if (open === 0) controller.abort(all[0]?.reason);
  return controller.signal;
}
