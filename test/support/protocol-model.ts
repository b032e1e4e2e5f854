/**
 * The protocol of docs/exactly-once.md without servers: plan, land pieces, reconcile, applied, confirm as steps over
 * maps, each of which may be the last. What a start does is decided by the program itself (recovery.ts).
 */
import { type CheckpointFacts, decide } from '../../src/pipeline/recovery.ts';

/** A change of one row: the bucket it is in from then on; null: deleted. */
export interface ModelChange {
  readonly key: number;
  readonly bucket: number | null;
}

/** A transaction of the source. */
export type ModelTransaction = readonly ModelChange[];

/** Thrown at the step at which the writer dies. */
export class Crash extends Error {}

interface Checkpoint extends CheckpointFacts {
  readonly dirty: ReadonlySet<number>;
}

interface Piece {
  readonly changes: readonly (ModelChange & { readonly version: bigint })[];
  readonly commitLsn: bigint;
  /** Position behind the last whole transaction; null inside one. */
  readonly endLsn: bigint | null;
  readonly isOpen: boolean;
}

/** Positions between two transactions: room for their changes. */
const STRIDE = 100n;
/** How far a plan reaches ahead: short, so that batches need new ones. */
const PLAN = 250n;

/** Source and copy, and the steps of a writer between them. */
export class ProtocolModel {
  /** Situations in which the writer died, in words. */
  readonly crashes = new Set<string>();
  readonly #source: readonly ModelTransaction[];
  readonly mirror = new Map<number, { version: bigint; bucket: number | null }>();
  readonly history = new Set<string>();
  readonly rollup = new Map<number, number>();
  #stored: Checkpoint;
  #confirmed = 0n;
  #stepsLeft = Infinity;
  /** Which parts of the present batch have landed. */
  #landed = { mirror: false, history: false, rollup: false };
  #committed: number;

  constructor(source: readonly ModelTransaction[]) {
    this.#source = source;
    this.#committed = source.length;
    const nothing = { appliedLsn: 0n, commitLsn: 0n, plannedLsn: 0n, recovering: false, isClean: true };
    this.#stored = { ...nothing, rollupsLive: true, sourceId: 's/d', timeline: 1, dirty: new Set() };
  }

  /**
   * One life of the writer over the first `committed` transactions: recovers what its start finds, applies the rest.
   *
   * @param life `dieAfter` steps; batches of `sizes` changes in turn; `lazy`: positions are stored at every so many batches.
   */
  run(life: { committed: number; dieAfter: number; sizes: readonly number[]; lazy: number }): void {
    this.#stepsLeft = life.dieAfter;
    this.#committed = life.committed;
    try {
      this.#live(life);
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
  }

  /** What is wrong: the mirror against the source, the rollup against the mirror, a change confirmed and not there. */
  differences(): string[] {
    const wanted = new Map<number, number>();
    for (const changes of this.#source)
      for (const { key, bucket } of changes)
        if (bucket === null) wanted.delete(key);
        else wanted.set(key, bucket);
    const rows = [...this.mirror].filter(([, { bucket }]) => bucket !== null);
    const found: string[] = [];
    if (rows.length !== wanted.size || rows.some(([key, { bucket }]) => wanted.get(key) !== bucket))
      found.push('mirror');
    const counts = countBuckets(rows.map(([, { bucket }]) => bucket as number));
    for (const bucket of new Set([...counts.keys(), ...this.rollup.keys()]))
      if ((counts.get(bucket) ?? 0) !== (this.rollup.get(bucket) ?? 0)) found.push(`bucket ${bucket}`);
    if (this.history.size !== this.#source.flat().length) found.push('history');
    return found;
  }

  #live(life: { sizes: readonly number[]; lazy: number }): void {
    const endLsn = BigInt(this.#committed) * STRIDE;
    const decision = decide({
      checkpoint: this.#stored,
      slot: { ...IDLE_SLOT, confirmedFlushLsn: this.#confirmed },
      source: { ...SOURCE, endLsn, reachableLsn: endLsn },
      journal: null,
      copy: { strangeRows: null, missing: [], newestVersion: null, newestCounted: this.#newest() },
    });
    if (decision.kind !== 'continue') throw new Error(`decided ${JSON.stringify(decision, (_, v) => String(v))}`);
    let until = decision.recoverUntil;
    let state: Checkpoint = { ...this.#stored, recovering: until !== null };
    this.#store(state);
    const end = (): void => {
      if (until === null || state.appliedLsn < until) return;
      this.#reconcile(state.dirty);
      state = { ...state, dirty: new Set(), isClean: true, recovering: false, plannedLsn: state.appliedLsn + PLAN };
      this.#store(state);
      until = null;
    };
    end();
    let batches = 0;
    for (const piece of this.#pieces(state.appliedLsn, life.sizes)) {
      state = this.#apply(piece, state);
      if (batches++ % life.lazy === 0) this.#store(state);
      if (batches % 2 === 0) this.#confirm();
      end();
    }
    this.#store(state);
    this.#confirm();
  }

  /** The stream from a position on, cut into batches as they come. */
  *#pieces(from: bigint, sizes: readonly number[]): Generator<Piece> {
    let turn = 0;
    let changes: Piece['changes'][number][] = [];
    let endLsn: bigint | null = null;
    for (const [i, transaction] of this.#source.slice(0, this.#committed).entries()) {
      const commitLsn = BigInt(i + 1) * STRIDE - 1n;
      if (commitLsn < from) continue;
      for (const [n, change] of transaction.entries()) {
        changes.push({ ...change, version: BigInt(i) * STRIDE + BigInt(n) + 1n });
        const isLast = n === transaction.length - 1;
        if (isLast) endLsn = commitLsn + 1n;
        if (changes.length < (sizes[turn % sizes.length] ?? 1)) continue;
        turn++;
        yield { changes, commitLsn, endLsn, isOpen: !isLast };
        changes = [];
        endLsn = null;
      }
    }
    const last = BigInt(this.#committed) * STRIDE;
    if (changes.length > 0) yield { changes, commitLsn: last - 1n, endLsn, isOpen: false };
  }

  #apply(piece: Piece, before: Checkpoint): Checkpoint {
    const tracked = before.recovering;
    const deltas = this.#deltas(piece);
    const touched = deltas.filter(({ by }) => tracked || by < 0).map(({ bucket }) => bucket);
    let state = before;
    const isCovered = piece.commitLsn < state.plannedLsn;
    if (!isCovered || touched.length > 0) {
      const plannedLsn = isCovered ? state.plannedLsn : piece.commitLsn + PLAN;
      const dirty = new Set([...state.dirty, ...touched]);
      state = { ...state, plannedLsn, dirty, isClean: dirty.size === 0 };
      this.#store(state);
    }
    this.#land(piece, tracked ? [] : deltas);
    if (piece.endLsn === null) return state;
    const keeps = piece.isOpen || state.recovering;
    const dirty = keeps ? state.dirty : new Set<number>();
    return { ...state, appliedLsn: piece.endLsn, commitLsn: piece.endLsn, dirty, isClean: dirty.size === 0 };
  }

  /** Signed counts of a batch: old states come from the mirror, or from an earlier change of the batch. */
  #deltas(piece: Piece): { bucket: number; by: number }[] {
    const now = new Map<number, number | null>();
    return piece.changes.flatMap(({ key, bucket }) => {
      const old = now.has(key) ? (now.get(key) ?? null) : (this.mirror.get(key)?.bucket ?? null);
      now.set(key, bucket);
      return [...(old === null ? [] : [{ bucket: old, by: -1 }]), ...(bucket === null ? [] : [{ bucket, by: 1 }])];
    });
  }

  /** One insert reaches three tables, in any order: a crash leaves some of them. */
  #land(piece: Piece, deltas: readonly { bucket: number; by: number }[]): void {
    this.#landed = { mirror: false, history: false, rollup: false };
    const parts = [
      (): void => {
        for (const { key, bucket, version } of piece.changes)
          if ((this.mirror.get(key)?.version ?? -1n) <= version) this.mirror.set(key, { version, bucket });
        this.#landed.mirror = true;
      },
      (): void => {
        for (const { key, version } of piece.changes) this.history.add(`${key}@${version}`);
        this.#landed.history = true;
      },
      (): void => {
        for (const { bucket, by } of deltas) this.rollup.set(bucket, (this.rollup.get(bucket) ?? 0) + by);
        this.#landed.rollup = true;
      },
    ];
    const first = Number(piece.commitLsn / STRIDE) % 3;
    for (let i = 0; i < 3; i++) this.#step(parts[(first + i) % 3] as () => void);
  }

  #reconcile(dirty: ReadonlySet<number>): void {
    this.#step(() => {
      const counts = countBuckets([...this.mirror.values()].flatMap(({ bucket }) => (bucket === null ? [] : [bucket])));
      for (const bucket of dirty) this.rollup.set(bucket, counts.get(bucket) ?? 0);
    });
  }

  #store(state: Checkpoint): void {
    this.#step(() => {
      this.#stored = state;
      this.#landed = { mirror: false, history: false, rollup: false };
    });
  }

  #confirm(): void {
    this.#step(() => {
      this.#confirmed = this.#stored.appliedLsn;
    });
  }

  #step(action: () => void): void {
    if (--this.#stepsLeft < 0) {
      const { mirror, history, rollup } = this.#landed;
      const { plannedLsn, appliedLsn } = this.#stored;
      const plan = plannedLsn > appliedLsn ? 'planned' : 'no plan';
      const landed = [mirror && 'mirror', history && 'history', rollup && 'rollup'].filter(Boolean).join('+');
      const confirmed = this.#confirmed < appliedLsn ? 'confirmed behind' : 'confirmed';
      this.crashes.add(`${plan} · ${landed || 'nothing'} · ${confirmed}`);
      throw new Crash();
    }
    action();
  }

  #newest(): bigint {
    return [...this.mirror.values()].reduce((newest, { version }) => (version > newest ? version : newest), 0n);
  }
}

const IDLE_SLOT = {
  name: 'millrace',
  active: false,
  activePid: null,
  plugin: 'pgoutput',
  database: 'd',
  walStatus: 'reserved',
  invalidationReason: null,
} as const;

const SOURCE = { sourceId: 's/d', database: 'd', timeline: 1, ancestors: [], idsFell: false } as const;

function countBuckets(buckets: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const bucket of buckets) counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  return counts;
}
