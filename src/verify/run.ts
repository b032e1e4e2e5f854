/** One verification: positions one after the other, what was found at the first, what is left at the last. */
import type { Client } from 'pg';
import type { ControlStore } from '../destination/control.ts';
import type { Clones } from './clones.ts';
import type { Comparison } from './comparison.ts';
import type { Difference } from './difference.ts';
import { confirm, countSuspects, type Examination, examine, type Suspects } from './examine.ts';
import type { TableProgress, VerifyOptions, VerifyProgress } from './options.ts';
import { type Position, type PositionOptions, requestRepair, takePosition } from './position.ts';
import { randomNumbers } from './random.ts';
import { describeSuspects, repairsOf } from './report.ts';
import type { SourceReader } from './source-reader.ts';
import { readTableState, type SourceTableState } from './source-table.ts';
import { summarize } from './summary.ts';
import type { ChosenTables } from './tables.ts';
import type { Verification } from './verification.ts';

/** What a run works with. */
export interface RunParts {
  readonly options: VerifyOptions;
  readonly chosen: ChosenTables;
  readonly clones: Clones;
  readonly reader: SourceReader;
  /** A session on the source. */
  readonly control: Client;
  readonly store: ControlStore;
}

/** A position, and the tables as they were looked up before it. */
interface Place {
  readonly position: Position;
  readonly states: readonly SourceTableState[];
}

/** One run. */
export class Run {
  readonly #parts: RunParts;
  readonly #progress = new Map<string, TableProgress>();
  readonly #comparison: Comparison;
  #stage: VerifyProgress['stage'] = 'waiting for the pipeline';
  #heldMs = 0;
  #attempts = 0;

  constructor(parts: RunParts) {
    this.#parts = parts;
    const { reader, clones, options } = parts;
    const { sample, signal } = options;
    this.#comparison = {
      reader,
      clones,
      signal,
      sample: sample === null ? null : { ranges: sample.ranges, random: randomNumbers(sample.seed) },
      onRows: (name, rows) => this.#update(name, { rows }),
    };
  }

  /** Verifies, and repairs if it was asked to. @throws {AppError} as `verify` says. */
  async verify(id: string): Promise<Verification> {
    const { options, clones, reader, chosen } = this.#parts;
    const startedAt = new Date();
    const first = await this.#at((place) => this.#examine(place));
    const found = countSuspects(first.examination.suspects) === 0 ? NOTHING : await this.#lookAgain(first.examination);
    const left =
      options.repair && countSuspects(found.suspects) > 0 ? await this.#repair(found.suspects) : found.suspects;
    return summarize({
      ...first,
      ...found,
      id,
      startedAt,
      chosen,
      mode: options.sample === null ? 'full' : 'quick',
      repaired: countSuspects(found.suspects) - countSuspects(left),
      attempts: this.#attempts,
      heldMs: this.#heldMs,
      sourceMs: reader.busyMs,
      copyMs: clones.busyMs,
    });
  }

  async #examine({ position, states }: Place): Promise<{ position: Position; examination: Examination }> {
    const cloned = states.filter(({ plan }) => position.tables.has(plan.label));
    for (const { plan, rowsEstimated } of cloned) this.#update(plan.label, { rowsExpected: rowsEstimated });
    this.#enter('comparing');
    const examination = await examine(this.#comparison, cloned, position, (name) => this.#update(name, { done: true }));
    return { position, examination };
  }

  /** At another position: what differs there, too, is no race. */
  async #lookAgain({ suspects }: Examination): Promise<{ suspects: Suspects; differences: readonly Difference[] }> {
    this.#enter('looking again at what differs');
    return await this.#at(async (place) => {
      const confirmed = await confirm(this.#comparison, suspects, place);
      const differences = await describeSuspects(this.#comparison, confirmed, this.#parts.options.limit);
      return { suspects: confirmed, differences };
    });
  }

  /** @returns What still differs. */
  async #repair(suspects: Suspects): Promise<Suspects> {
    this.#enter('repairing');
    await requestRepair(this.#positionOptions, repairsOf(suspects));
    return await this.#at((place) => confirm(this.#comparison, suspects, place));
  }

  async #at<T>(action: (place: Place) => Promise<T>): Promise<T> {
    const { reader, chosen } = this.#parts;
    const states: SourceTableState[] = [];
    for (const plan of chosen.plans) states.push(await readTableState(reader.keeper, plan));
    const position = await takePosition(this.#positionOptions);
    this.#heldMs = Math.max(this.#heldMs, position.heldMs);
    this.#attempts += position.attempts;
    try {
      return await action({ position, states });
    } finally {
      await reader.dropSnapshot();
    }
  }

  get #positionOptions(): PositionOptions {
    const { options, ...parts } = this.#parts;
    return { ...parts, isStandby: options.replicaUrl !== null, waitMs: options.waitMs, signal: options.signal };
  }

  #enter(stage: VerifyProgress['stage']): void {
    this.#stage = stage;
    this.#tell();
  }

  #update(name: string, change: Partial<TableProgress>): void {
    const before = this.#progress.get(name) ?? { name, rows: 0, rowsExpected: 0, done: false };
    this.#progress.set(name, { ...before, ...change });
    this.#tell();
  }

  #tell(): void {
    this.#parts.options.onProgress?.({ stage: this.#stage, tables: [...this.#progress.values()] });
  }
}

const NOTHING: { suspects: Suspects; differences: readonly Difference[] } = {
  suspects: { tables: [], buckets: [] },
  differences: [],
};
