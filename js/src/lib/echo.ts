// Local echo: what a user has just done is shown at once, until the kernel's content takes it into account.

/** Values that are shown in place of the kernel's, by key. */
export class Echo<Key, Value> {
  readonly #values = new Map<Key, { value: Value; count: number }>();

  /** Shows a value until action number `count` is answered; while a drag goes on, `Infinity`. */
  set(key: Key, value: Value, count: number): void {
    this.#values.set(key, { value, count });
  }

  /** The value to show: the user's own if it is newer than the kernel's. */
  get(key: Key, kernel: Value): Value {
    const own = this.#values.get(key);
    return own === undefined ? kernel : own.value;
  }

  /** Gives way to a content that answers all actions up to a number. */
  settle(answers: number): void {
    for (const [key, { count }] of this.#values) if (count <= answers) this.#values.delete(key);
  }

  clear(): void {
    this.#values.clear();
  }

  get size(): number {
    return this.#values.size;
  }
}
