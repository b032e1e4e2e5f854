/**
 * The loss ledger: every value that did not fit its column is counted, with a sample and what was stored
 * instead. Kept per batch in memory, then in the copy (`losses`), before the batch's position is confirmed.
 */
import type { UnfitPolicy, UnfitValue } from '../codec/column.ts';
import { type Patience, untilDone } from '../destination/landing.ts';
import { chIdent } from '../model/quote.ts';
import { tableLabel } from '../model/table.ts';
import type { Copy } from './copy.ts';
import type { TableLayout } from './layout.ts';
import { LossSamples } from './loss-samples.ts';

interface Loss {
  readonly table: string;
  readonly column: string;
  readonly reason: string;
  readonly action: string;
  readonly sample: string;
  /** Key of the sample's row, its parts as PostgreSQL writes them; empty where it is not known. */
  readonly key: readonly string[];
  values: number;
}

type Counted = Omit<UnfitValue, 'action' | 'row'> & { readonly action: UnfitValue['action'] | 'keep' };

/** Counts values that did not fit. */
export class Ledger {
  readonly #copy: Copy;
  readonly #action: UnfitPolicy['action'];
  readonly #losses = new Map<string, Loss>();
  /** Those whose values wait for keys. */
  readonly #open = new Set<LossSamples>();

  constructor(copy: Copy, action: UnfitPolicy['action']) {
    this.#copy = copy;
    this.#action = action;
  }

  /**
   * What each column of a table does with a value that does not fit. Where nothing may stand in, it fails: in
   * a key, as two rows must not become one, and for NULL in a column that cannot hold it.
   */
  policiesOf(layout: TableLayout): UnfitPolicy[] {
    const { table, codecs } = layout;
    const label = tableLabel(table);
    const samples = new LossSamples(
      () => this.#open.add(samples),
      (column, value, key) => this.#count({ table: label, column }, value, key),
    );
    return table.columns.map((column, i) => {
      const wanted = codecs[i]?.unfit ?? this.#action;
      const fails = table.key.includes(i) || (wanted === 'null' && codecs[i]?.nullable !== true);
      const report = (value: UnfitValue): void => samples.add(column.name, value);
      return { action: fails ? 'fail' : wanted, report, samples };
    });
  }

  /** Counts what the source has deleted and the copy keeps. */
  countKept(layout: TableLayout, what: 'DELETE' | 'TRUNCATE'): void {
    const value = { text: what, reason: `${what} in the source`, action: 'keep' } as const;
    this.#count({ table: tableLabel(layout.table), column: '' }, value, []);
  }

  /** Stores what was counted since. */
  async store(patience: Patience): Promise<void> {
    // Rows that are read again for other reasons tell no keys.
    for (const samples of this.#open) samples.settle(Infinity, () => []);
    this.#open.clear();
    if (this.#losses.size === 0) return;
    const rows = [...this.#losses.values()].map((loss) => JSON.stringify({ pipeline: this.#copy.pipeline, ...loss }));
    this.#losses.clear();
    const columns = 'pipeline, table, column, reason, action, sample, key, values';
    const sql = `INSERT INTO ${chIdent(this.#copy.names.internal)}.losses (${columns}) FORMAT JSONEachRow`;
    const body = [Buffer.from(rows.join('\n'))];
    const settings = this.#copy.fence.settings('losses');
    await untilDone(() => this.#copy.clickhouse.insert(sql, body, { signal: patience.signal, settings }), patience);
  }

  #count(place: { table: string; column: string }, value: Counted, key: readonly string[]): void {
    const { text: sample, reason, action } = value;
    const kind = `${place.table}/${place.column}/${reason}/${action}`;
    const loss = this.#losses.get(kind);
    if (loss === undefined) this.#losses.set(kind, { ...place, reason, action, sample, key, values: 1 });
    else loss.values++;
  }
}
