/** One direction of a connection through the proxy: what its network does to the bytes. */
import type { Socket } from 'node:net';

/**
 * - `clear`: bytes pass at once
 * - `slow`: they pass in pieces, each after a delay
 * - `stalled`: they wait until it clears, as when a cable is out and put back
 * - `silent`: they are lost, and so is the end of either side; whoever lost any is cut when it clears, as when a
 *   firewall has forgotten the connection
 */
export type Weather =
  | { readonly kind: 'clear' }
  | { readonly kind: 'slow'; readonly delayMs: number; readonly pieceBytes: number }
  | { readonly kind: 'stalled' }
  | { readonly kind: 'silent' };

/** Bytes that wait beyond this make the sender wait. */
const MAX_WAITING_BYTES = 1 << 18;

/** Bytes on their way from one socket to the other. */
export class Lane {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #weather: () => Weather;
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #isPaused = false;
  #timer: NodeJS.Timeout | null = null;
  #isEnding = false;
  /** Some bytes never arrive: the connection is of no use any more. */
  hasLost = false;

  constructor(from: Socket, to: Socket, weather: () => Weather) {
    this.#from = from;
    this.#to = to;
    this.#weather = weather;
  }

  /** Sends bytes on, in order, as the weather allows. */
  send(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.go();
  }

  /** The sender is gone: the other side learns it behind the bytes that wait. */
  end(): void {
    this.#isEnding = true;
    this.go();
  }

  /** Moves what waits, as far as the weather of now lets it. */
  go(): void {
    const weather = this.#weather();
    while (this.#timer === null && this.#waiting.length > 0 && weather.kind !== 'stalled') {
      if (weather.kind === 'slow') this.#sendLater(weather.delayMs, weather.pieceBytes);
      else this.#sendNow(weather.kind === 'silent');
    }
    this.#brake(weather.kind === 'stalled');
    const hears = weather.kind !== 'stalled' && weather.kind !== 'silent';
    if (this.#isEnding && hears && this.#waiting.length === 0 && this.#timer === null) this.#to.end();
  }

  #sendNow(isLost: boolean): void {
    const bytes = this.#take();
    if (isLost) this.hasLost = true;
    else this.#to.write(bytes);
  }

  #sendLater(delayMs: number, pieceBytes: number): void {
    const first = this.#take();
    const rest = first.subarray(pieceBytes);
    if (rest.length > 0) {
      this.#waiting.unshift(rest);
      this.#waitingBytes += rest.length;
    }
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#to.write(first.subarray(0, pieceBytes));
      this.go();
    }, delayMs);
  }

  #take(): Buffer {
    const bytes = this.#waiting.shift() as Buffer;
    this.#waitingBytes -= bytes.length;
    return bytes;
  }

  #brake(isStalled: boolean): void {
    const isFull = isStalled || this.#waitingBytes > MAX_WAITING_BYTES;
    if (isFull === this.#isPaused) return;
    this.#isPaused = isFull;
    if (isFull) this.#from.pause();
    else this.#from.resume();
  }
}
