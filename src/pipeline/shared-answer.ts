/** A question that several ask at about the same time, and that is answered for all of them at once. */

/** Each who asks gets an answer that was sought after he had asked. */
export class SharedAnswer<T> {
  readonly #seek: () => Promise<T>;
  #next: Promise<T> | null = null;
  #last: Promise<unknown> = Promise.resolve();

  /** @param seek Finds the answer as it is by then. */
  constructor(seek: () => Promise<T>) {
    this.#seek = seek;
  }

  /** The answer; whatever seeking it throws, all who wait for it get. */
  ask(): Promise<T> {
    this.#next ??= this.#begin();
    return this.#next;
  }

  #begin(): Promise<T> {
    const answer = this.#last.then(() => {
      // Who asks from here on asks for what is so later.
      this.#next = null;
      return this.#seek();
    });
    this.#last = answer.catch(() => undefined);
    return answer;
  }
}
