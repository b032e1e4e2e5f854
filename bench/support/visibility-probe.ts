/** Asks ClickHouse again and again for the greatest id, and remembers when each was first seen. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClickHouse } from '../../src/destination/client.ts';

/** Waits between two answers and the next question, ms: else the questions take the machine. */
const PAUSE_MS = 1;
const PARTS_INTERVAL_MS = 250;

/** What was seen. Ids are committed in ascending order, so the greatest one tells them all. */
export interface Sightings {
  /** When the id was first visible, by `performance.now()`. */
  readonly seenAt: (id: number) => number;
  readonly polls: number;
  /** Most active parts of any table. */
  readonly partsMax: number;
}

/** A running probe. */
export class VisibilityProbe {
  readonly #ch: ClickHouse;
  readonly #table: string;
  /** Each new greatest id, with the time of the answer that showed it first. */
  readonly #steps: { id: number; at: number }[] = [];
  readonly #running: Promise<void>;
  #until = Number.POSITIVE_INFINITY;
  #polls = 0;
  #partsMax = 0;

  /** Starts to ask. */
  constructor(ch: ClickHouse, table: string) {
    this.#ch = ch;
    this.#table = table;
    this.#running = this.#run();
    // Met by until(); before that a failure must not be unhandled.
    this.#running.catch(() => undefined);
  }

  /** Ends when the id is visible. */
  async until(id: number): Promise<Sightings> {
    this.#until = id;
    await this.#running;
    const seenAt = (wanted: number): number => this.#steps.find((step) => step.id >= wanted)?.at ?? Number.NaN;
    return { seenAt, polls: this.#polls, partsMax: this.#partsMax };
  }

  async #run(): Promise<void> {
    let greatest = 0;
    let partsAt = 0;
    while (greatest < this.#until) {
      const [row] = await this.#ch.rows<{ id: number }>(`SELECT max(id) AS id FROM ${this.#table}`);
      const at = performance.now();
      this.#polls++;
      if (row !== undefined && row.id > greatest) {
        greatest = row.id;
        this.#steps.push({ id: greatest, at });
      }
      if (at - partsAt > PARTS_INTERVAL_MS) {
        partsAt = at;
        await this.#countParts();
      }
      await sleep(PAUSE_MS);
    }
  }

  async #countParts(): Promise<void> {
    const [row] = await this.#ch.rows<{ parts: string }>(
      `SELECT max(n) AS parts FROM (SELECT count() AS n FROM system.parts WHERE active GROUP BY database, table)`,
    );
    this.#partsMax = Math.max(this.#partsMax, Number(row?.parts ?? 0));
  }
}
