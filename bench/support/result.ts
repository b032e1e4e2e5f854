/** The result of a scenario: what is printed, and stored in bench/results. */
import type { Machine } from './machine.ts';
import { rounded } from './statistics.ts';

/** A figure that has to be reached. */
export interface Bar {
  readonly what: string;
  readonly wanted: string;
  readonly got: number;
  readonly reached: boolean;
}

/** What a scenario found. */
export interface Findings {
  /** Sizes, repetitions, settings that matter. */
  readonly parameters: Readonly<Record<string, number | string>>;
  /** Medians: contender → figure (unit in its name) → value. */
  readonly figures: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly bars: readonly Bar[];
}

/** A stored result. */
export interface Result extends Findings {
  readonly scenario: string;
  readonly measuredAt: string;
  readonly machine: Machine;
}

/** A bar that is reached from `limit` up. */
export function atLeast(what: string, got: number, limit: number): Bar {
  return { what, wanted: `≥ ${limit}`, got: rounded(got), reached: got >= limit };
}

/** A bar that is reached up to `limit`. */
export function atMost(what: string, got: number, limit: number): Bar {
  return { what, wanted: `≤ ${limit}`, got: rounded(got), reached: got <= limit };
}

/** Prints a result for people. */
export function printResult(result: Result): void {
  const { machine } = result;
  console.log(`\n${result.scenario}  ${JSON.stringify(result.parameters)}`);
  console.log(
    `${machine.cpu} × ${machine.cores}, ${machine.memoryGiB} GiB, load average ${machine.loadAverage.join(' → ')}`,
  );
  console.log(`node ${machine.node}, PostgreSQL ${machine.postgres}, ClickHouse ${machine.clickhouse}`);
  console.table(result.figures);
  for (const { what, wanted, got, reached } of result.bars) {
    console.log(`${reached ? 'reached    ' : 'NOT REACHED'} ${what}: ${got} (wanted ${wanted})`);
  }
}
