/** What the parts of a verification share. */
import type { Clones } from './clones.ts';
import type { SourceReader } from './source-reader.ts';

/** What is compared, and how. */
export interface Comparison {
  readonly reader: SourceReader;
  readonly clones: Clones;
  readonly signal: AbortSignal;
  /** Ranges to compare, of all: null for every one. */
  readonly sample: { readonly ranges: number; readonly random: () => number } | null;
  readonly onRows: (label: string, rows: number) => void;
}
