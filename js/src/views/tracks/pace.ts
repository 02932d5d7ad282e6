// A hand moves faster than a kernel computes: while the kernel is at a move, the next ones become one, so that none queue
// up there and what is seen is never more than a move behind.

import type { Send } from "../../lib/view.ts";

/** Something that is done again and again while a hand moves. */
export interface Move<Args extends object = Record<string, unknown>> {
  action: string;
  /** What one press does: only its moves may become one. */
  gesture: number;
  args: Args;
  /** What stands for an earlier move and this one. */
  join(earlier: Args): Args;
}

/** Milliseconds after which a move no longer waits for the answer to the last one. */
const PATIENCE = 100;

export class Pace {
  #underway: number | null = null;
  #waiting: Move | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #send: Send;
  readonly #sent: (count: number) => void;

  /** Calls `sent` with the number of each action. */
  constructor(send: Send, sent: (count: number) => void) {
    this.#send = send;
    this.#sent = sent;
  }

  /** Sends a move now, or when the last one is answered. */
  submit(move: Move): void {
    const earlier = this.#waiting;
    const isSame = earlier?.action === move.action && earlier.gesture === move.gesture;
    if (!isSame) this.flush();
    this.#waiting = isSame ? { ...move, args: move.join(earlier.args) } : move;
    if (this.#underway === null) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), PATIENCE);
  }

  /** Takes note of the last action that the kernel has answered. */
  settle(answers: number): void {
    if (this.#underway === null || answers < this.#underway) return;
    this.#underway = null;
    this.flush();
  }

  /** Sends what waits: the hand lets go, or something else is sent that must come after it. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const move = this.#waiting;
    if (!move) return;
    this.#waiting = null;
    this.#underway = this.#send(move.action, { ...move.args, gesture: move.gesture });
    this.#sent(this.#underway);
  }
}
