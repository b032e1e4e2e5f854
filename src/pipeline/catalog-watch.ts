/**
 * Watches whether tables are still what a session was prepared for: a table that is altered and not changed is not
 * announced by the stream. Also asked before changes are applied whose columns nobody has looked at since they were
 * made (past-reading.ts). Has a connection of its own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { isAbort } from '../model/errors.ts';
import { connectPostgres, endConnection } from '../source/connection.ts';
import { readPrints, type TablePrint } from '../source/shapes.ts';
import type { Log } from '../telemetry/log.ts';

/** What the watch needs. */
export interface CatalogWatchOptions {
  readonly url: string;
  readonly publication: string;
  /** What the session was prepared for. */
  readonly prints: readonly TablePrint[];
  /** Tables that it follows. */
  readonly oids: ReadonlySet<number>;
  /** Whether the configuration wants a table of that name. */
  readonly isChosen: (table: { schema: string; name: string }) => boolean;
  /** Between two looks, ms. */
  readonly pollMs: number;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Told once. */
  readonly onChange: (why: string) => void;
}

/** Looks at the catalogue every few seconds, for one session. */
export class CatalogWatch {
  readonly #options: CatalogWatchOptions;
  readonly #known: ReadonlyMap<number, TablePrint>;
  #client: pg.Client | null = null;
  #looking: Promise<unknown> = Promise.resolve();

  constructor(options: CatalogWatchOptions) {
    this.#options = options;
    this.#known = new Map(options.prints.map((print) => [print.oid, print]));
  }

  /** Runs until the signal aborts, or something has changed. */
  async run(): Promise<void> {
    const { signal, pollMs, onChange } = this.#options;
    while (!signal.aborted) {
      await sleep(pollMs, undefined, { signal }).catch((error: unknown) => {
        if (!isAbort(error)) throw error;
      });
      const why = signal.aborted ? null : await this.#look().catch((error: unknown) => this.#startOver(error));
      if (why === null) continue;
      onChange(why);
      break;
    }
  }

  /**
   * Whether these tables have the columns that the session was prepared for: then none has come or gone in between, as
   * none ever comes back.
   *
   * @throws {AppError} of the server.
   */
  async haveSameColumns(oids: ReadonlySet<number>): Promise<boolean> {
    const found = new Map((await this.#read()).map((print) => [print.oid, print]));
    return [...oids].every((oid) => found.get(oid)?.columns === this.#known.get(oid)?.columns);
  }

  /** Ends the connection. */
  async close(): Promise<void> {
    await this.#looking.catch(() => undefined);
    if (this.#client !== null) await endConnection(this.#client);
  }

  async #look(): Promise<string | null> {
    return whatChanged(this.#known, await this.#read(), this.#options);
  }

  /** One after the other: they share a connection. */
  async #read(): Promise<TablePrint[]> {
    const before = this.#looking;
    const looking = (async (): Promise<TablePrint[]> => {
      await before.catch(() => undefined);
      const { url, publication, signal } = this.#options;
      this.#client ??= await connectPostgres(url, { applicationName: 'millrace catalog', signal });
      return await readPrints(this.#client, publication);
    })();
    this.#looking = looking;
    try {
      return await looking;
    } catch (error) {
      if (this.#client !== null) void endConnection(this.#client);
      this.#client = null;
      throw error;
    }
  }

  /** The next look takes a new connection: whatever is wrong, the stream itself says so louder. */
  #startOver(error: unknown): null {
    if (!this.#options.signal.aborted) this.#options.log.debug({ err: error }, 'the catalogue could not be read');
    return null;
  }
}

/** What has changed of the tables that are followed, or is to be followed now, in words; null when nothing. */
function whatChanged(
  known: ReadonlyMap<number, TablePrint>,
  found: readonly TablePrint[],
  { oids, isChosen }: Pick<CatalogWatchOptions, 'oids' | 'isChosen'>,
): string | null {
  const present = new Map(found.map((print) => [print.oid, print]));
  for (const oid of oids) {
    const before = known.get(oid);
    const now = present.get(oid);
    if (before === undefined) continue;
    const label = `${before.schema}.${before.name}`;
    if (now === undefined) return `${label} is gone`;
    if (now.schema !== before.schema || now.name !== before.name) return `${label} has another name`;
    if (now.columns !== before.columns) return `${label} was altered`;
    if (now.rest !== before.rest) return `${label} has another key`;
    if (now.published !== before.published) return `the publication of ${label} has changed`;
  }
  const isNew = (print: TablePrint): boolean => {
    const before = known.get(print.oid);
    return before === undefined || before.schema !== print.schema || before.name !== print.name;
  };
  const wanted = found.find((print) => !oids.has(print.oid) && isNew(print) && isChosen(print));
  return wanted === undefined ? null : `${wanted.schema}.${wanted.name} is new`;
}
