// The chosen curve as it is drawn: the kernel's, with what the user has just done and the kernel does not know yet.

import type { Send } from "../../lib/view.ts";
import type { Column, CurvePart, Knot, Values } from "./content.ts";
import { valueAt } from "./knots.ts";
import { type Move, Pace } from "./pace.ts";

/** Own changes that the kernel has not answered: all knots, and values of single columns. */
interface Own {
  knots: Knot[] | null;
  values: Map<number, number>;
  count: number;
}

interface ChangedValues {
  values: [number, number][];
}

/** Number of an action that waits to be sent: no content answers it. */
const UNSENT = Number.POSITIVE_INFINITY;

export class CurveModel {
  #part: CurvePart | null = null;
  #columns: readonly Column[] = [];
  #own: Own = { knots: null, values: new Map(), count: 0 };
  #values: Values = [];
  #gesture = 0;
  readonly #pace: Pace;

  constructor(send: Send) {
    this.#pace = new Pace(send, (count) => {
      this.#own.count = count;
    });
  }

  /** Takes over what the kernel sent; own changes are kept until it answers them. */
  take(part: CurvePart, columns: readonly Column[], answers: number): void {
    const other = part.chosen.key !== this.#part?.chosen.key || part.part !== this.#part?.part;
    this.#part = part;
    this.#columns = columns;
    this.#pace.settle(answers);
    if (answers >= this.#own.count || other) this.#own = { knots: null, values: new Map(), count: 0 };
    this.#combine();
  }

  /** What the kernel sent. */
  get part(): CurvePart {
    return this.#part!;
  }

  get knots(): readonly Knot[] {
    return this.#own.knots ?? this.part.knots;
  }

  /** The value of every column. */
  get values(): Values {
    return this.#values;
  }

  /** The layer of a column, null outside the layers. */
  layerOf(column: number): number | null {
    return this.#columns[column]?.layer ?? null;
  }

  /** Values that differ within a column; none where the user has just set it. */
  dots(column: number): number[] {
    const kernel = this.part.dots[column] ?? [];
    const moved = this.#values[column] !== this.part.chosen.values[column];
    return moved ? [] : kernel;
  }

  /** All changes from here to the next call are one step of the history. */
  begin(): void {
    this.#gesture += 1;
  }

  /** Sends what has not been sent yet, before anything else is. */
  flush(): void {
    this.#pace.flush();
  }

  setKnots(knots: Knot[]): void {
    if (JSON.stringify(knots) === JSON.stringify(this.knots)) return;
    this.#own = { knots, values: new Map(), count: UNSENT };
    const points = knots.map(({ layer, value }) => [layer, value]);
    const move = { knots: points };
    this.#submit("curve.set_knots", move, () => move);
    this.#combine();
  }

  setValues(values: ReadonlyMap<number, number>): void {
    const changed = [...values].filter(([column, value]) => this.#values[column] !== value);
    if (changed.length === 0) return;
    this.#own.count = UNSENT;
    for (const [column, value] of changed) this.#own.values.set(column, value);
    const join = (earlier: ChangedValues) => ({ values: [...new Map([...earlier.values, ...changed])] });
    this.#submit("curve.set_values", { values: changed }, join);
    this.#combine();
  }

  #submit<Args extends object>(action: string, args: Args, join: (earlier: Args) => Args) {
    this.#pace.submit({ action, gesture: this.#gesture, args, join } as Move);
  }

  #combine(): void {
    const { chosen, tied, alone } = this.part;
    const { knots, values } = this.#own;
    const layers = this.#columns.map(({ layer }, i) => {
      const kernel = chosen.values[i] ?? null;
      if (kernel === null) return null;
      return values.get(i) ?? (knots && layer !== null && !alone.includes(layer) ? valueAt(knots, layer) : kernel);
    });
    const first = this.#columns.findIndex(({ layer }) => layer !== null);
    const last = this.#columns.length - 1 - [...this.#columns].reverse().findIndex(({ layer }) => layer !== null);
    this.#values = layers.map((value, i) => {
      if (!tied[i] || values.has(i)) return value;
      return layers[i < first ? first : last] ?? value; // embeddings follow the first layer, norm and head the last
    });
  }
}
