/** Serves requests of other commands in the loop, when their turn comes: clones at a position, repairs, a rollup computed anew. */
import { type Answer, cloneDatabase, ControlStore } from '../destination/control.ts';
import { AppError } from '../model/errors.ts';
import { chIdent } from '../model/quote.ts';
import { tableLabel } from '../model/table.ts';
import type { Log } from '../telemetry/log.ts';
import type { Applier } from './apply.ts';
import type { Barrier } from './barrier.ts';
import type { RebuildWork, RepairWork, RequestWork } from './batch.ts';
import type { Copy } from './copy.ts';
import { beginPastAt } from './event-history.ts';
import type { Repairer } from './repair.ts';
import type { TableLayout } from './layout.ts';

/** What it needs from the session. */
export interface ControlsOptions {
  readonly copy: Copy;
  readonly applier: Applier;
  readonly repairer: Repairer;
  readonly log: Log;
  /** Tables that equal the source at every applied position. */
  readonly liveTables: () => readonly TableLayout[];
  /** Why nothing can be said of the copy now (it loads, it recovers); empty when it can. */
  readonly unready: () => string;
}

const NOTHING: Answer = { kind: 'refused', reason: '', lsn: 0n, commitTimeUs: 0n, heldMs: 0, tables: [], rows: 0 };

/** Serves requests. One that fails is answered so; only a repair that fails half-way ends the session. */
export class Controls {
  readonly #options: ControlsOptions;
  readonly #store: ControlStore;

  constructor(options: ControlsOptions) {
    this.#options = options;
    this.#store = new ControlStore(options.copy.clickhouse, options.copy.names, options.copy.pipeline);
  }

  /** Serves a request whose turn has come. Nothing of a transaction is open then. */
  async serve(work: RequestWork): Promise<void> {
    const { log } = this.#options;
    if (!(await this.#store.isOpen(work.id))) return log.debug({ id: work.id }, 'a request that nobody waits for');
    const answer = await this.#answer(work);
    await this.#store.writeAnswer(work.id, answer);
    log.debug({ id: work.id, kind: answer.kind, reason: answer.reason, heldMs: answer.heldMs }, 'request answered');
  }

  async #answer(work: RequestWork): Promise<Answer> {
    const reason = this.#options.unready();
    if (reason !== '') return { ...NOTHING, reason };
    if (work.kind === 'repair') return await this.#repair(work);
    if (work.kind === 'rebuild') return await this.#rebuild(work);
    const answer = await this.#clone(work).catch(refusal);
    return typeof answer === 'string' ? { ...NOTHING, reason: answer } : answer;
  }

  async #clone(barrier: Barrier): Promise<Answer> {
    barrier.giveUp('the copy was changing its state');
    if (!barrier.isPlaced) return { ...NOTHING, reason: barrier.reason, heldMs: barrier.heldMs };
    const { applier, liveTables } = this.#options;
    const layouts = liveTables();
    await Promise.all(layouts.flatMap(({ table, history }) => this.#cloneTables(table.target, history)));
    if (applier.state.rollupsLive) await this.#cloneTable('campaign_hourly');
    const { appliedLsn: lsn, appliedCommitTimeUs: commitTimeUs } = applier.state;
    const tables = layouts.map(({ table }) => tableLabel(table));
    return { ...NOTHING, kind: 'cloned', lsn, commitTimeUs, heldMs: barrier.heldMs, tables };
  }

  #cloneTables(target: string, history: boolean): Promise<void>[] {
    const names = history ? [target, `${target}_history`] : [target];
    return names.map((name) => this.#cloneTable(name));
  }

  /** Hard links of the parts: milliseconds, whatever their size. */
  async #cloneTable(name: string): Promise<void> {
    const { clickhouse, names } = this.#options.copy;
    const clone = `${chIdent(cloneDatabase(names))}.${chIdent(name)}`;
    await clickhouse.command(`CREATE TABLE ${clone} CLONE AS ${chIdent(names.database)}.${chIdent(name)}`);
  }

  /** Nothing else is written meanwhile: what is missing in the rollup by now is missing when the correction comes. */
  async #rebuild({ month }: RebuildWork): Promise<Answer> {
    const { applier, log } = this.#options;
    const { rollupsLive, appliedLsn: lsn, appliedCommitTimeUs: commitTimeUs } = applier.state;
    if (!rollupsLive) return { ...NOTHING, reason: 'there is no rollup, or it is not built yet' };
    const startedAt = performance.now();
    const rows = await applier.rebuildRollups(month);
    log.info({ month, buckets: rows }, 'rollup computed anew on request');
    return { ...NOTHING, kind: 'rebuilt', lsn, commitTimeUs, heldMs: performance.now() - startedAt, rows };
  }

  async #repair({ id }: RepairWork): Promise<Answer> {
    const { applier, repairer, log } = this.#options;
    const repairs = await this.#store.readRepairs(id);
    const { commitLsn, appliedLsn, appliedCommitTimeUs: commitTimeUs } = applier.state;
    const prepared = await repairer.read(repairs, { commitLsn, commitTimeUs }).catch(refusal);
    if (typeof prepared === 'string') return { ...NOTHING, reason: prepared };
    if (prepared.pastFrom !== null) await beginPastAt(this.#options.copy, prepared.pastFrom);
    await applier.repair(prepared.batch, prepared.dirty);
    const rows = [...prepared.batch.tables.values()].reduce((sum, table) => sum + table.rows, 0);
    log.info({ rows, buckets: repairs.buckets.length }, 'rows and buckets repaired on request');
    return { ...NOTHING, kind: 'repaired', lsn: appliedLsn, commitTimeUs, rows };
  }
}

/** Why something cannot be done, when nothing was done yet. */
function refusal(error: unknown): string {
  if (error instanceof AppError) return error.message;
  throw error;
}
