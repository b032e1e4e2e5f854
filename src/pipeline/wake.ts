/** A bell for one waiter: rung from callbacks, waited for with a deadline. */
export class Wake {
  #isRung = false;
  #ring: (() => void) | null = null;

  /** Ends the present wait, or the next one at once. */
  notify(): void {
    this.#isRung = true;
    this.#ring?.();
  }

  /** Waits for the bell, the deadline or the abort, whichever is first. */
  async wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#isRung && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          this.#ring = null;
          resolve();
        };
        const timer = setTimeout(done, timeoutMs);
        signal.addEventListener('abort', done, { once: true });
        this.#ring = done;
      });
    }
    this.#isRung = false;
  }
}
