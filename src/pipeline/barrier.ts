/**
 * A place in the queue at which the copy equals a snapshot of the source.
 *
 *   … │ hold │ tx │ tx │ tx ‖ snapshot            the barrier stands at `hold`, nothing behind it is applied
 *   … │ tx │ barrier │ tx │ tx                    moved behind the transactions that the snapshot sees
 *
 * It can only stand where commits became visible in the order of the log. That is nearly always so; where not
 * (two commits overlapped just then), the request is refused and may be made again.
 */
import type { Snapshot } from '../model/control.ts';

/** What stands in the queue; `xid`: the transaction that it is of, if of one. */
interface Queued {
  readonly kind: string;
  readonly xid?: number;
}

/** A request for clones of the tables at one position. */
export class Barrier {
  readonly kind = 'barrier';
  readonly id: string;
  readonly #maxMs: number;
  #state: 'waiting' | 'placed' | 'given up' = 'waiting';
  #reachedAt = 0;
  /** Why it was given up; empty otherwise. */
  reason = '';

  /** @param maxMs How long it may hold up the queue while it waits for its place. */
  constructor(id: string, maxMs: number) {
    this.id = id;
    this.#maxMs = maxMs;
  }

  /** True when the copy, once it comes to this place, equals the snapshot. */
  get isPlaced(): boolean {
    return this.#state === 'placed';
  }

  /** True while its place is not known. */
  get isWaiting(): boolean {
    return this.#state === 'waiting';
  }

  /** ms since nothing but this was left to do. */
  get heldMs(): number {
    return this.#reachedAt === 0 ? 0 : performance.now() - this.#reachedAt;
  }

  /** Called when it is next in the queue. Returns whether to wait for its place; gives up when that takes too long. */
  holds(): boolean {
    this.#reachedAt ||= performance.now();
    if (this.#state === 'waiting' && this.heldMs > this.#maxMs)
      this.giveUp(`no snapshot came within ${this.#maxMs} ms`);
    return this.isWaiting;
  }

  /** It holds up nothing any more, and is refused when its turn comes. */
  giveUp(reason: string): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'given up';
    this.reason = reason;
  }

  /** Moves it behind the work that the snapshot sees. Each transaction since the hold is work of its own. */
  place(queue: Queued[], snapshot: Snapshot): void {
    const from = queue.indexOf(this);
    if (from === -1 || this.#state !== 'waiting') return;
    const behind = queue.slice(from + 1);
    const isSeen = ({ xid }: Queued): boolean => xid !== undefined && snapshot.sees(xid);
    const unseen = behind.findIndex((work) => !isSeen(work));
    const place = unseen === -1 ? behind.length : unseen;
    if (behind.slice(place).some(isSeen)) return this.giveUp('commits did not become visible in their order');
    queue.splice(from, 1);
    queue.splice(from + place, 0, this);
    this.#state = 'placed';
  }
}
