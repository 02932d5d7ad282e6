// The frame of every view: what the kernel wants drawn comes as `content`, what a user does goes back as an action.
//
// No value travels both ways. A view draws at most once per animation frame, however many changes arrive, and never while
// it is out of sight; it is drawn again when its width changes.

/** What a view needs of anywidget's model. */
export interface Model {
  get(name: string): unknown;
  on(event: string, callback: (...sent: never[]) => void): void;
  off(event: string, callback: (...sent: never[]) => void): void;
  send(message: unknown, callbacks?: unknown): void;
}

/** Sends an action to the kernel and returns its number, which comes back in `content.answers`. */
export type Send = (action: string, args?: Record<string, unknown>) => number;

/** Takes a message of the kernel with its binary parts. */
export type Receive = (message: unknown, buffers: DataView[]) => void;

/** Parts of every content. */
export interface Answered {
  /** Number of the last action that this content takes into account. */
  answers: number;
}

/** What a view can use. */
export interface Context {
  send: Send;
  /** Draws again in the next animation frame, for changes that the kernel need not know. */
  redraw(): void;
  /** Calls back for what the kernel sends besides content, such as a file that was asked for. */
  receive(callback: Receive): void;
  /** Another value that the kernel has sent, beside the content: one that is large and seldom changes. */
  read(name: string): unknown;
  /** Aborted when the view is removed: pass it to `addEventListener`. */
  signal: AbortSignal;
}

/** Draws the content into the view's element, which is `width` pixels wide. */
export type Draw<Content> = (content: Content, width: number) => void;

/**
 * Makes anywidget's module of a view.
 *
 * @param create Fills the element once and returns the function that draws.
 *
 *     export default defineView<Content>((root, { send }) => {
 *       const name = h("b");
 *       root.append(name, h("button", { onclick: () => send("rename", { name: "x" }) }, "Rename"));
 *       return (content) => write(name, content.name);
 *     });
 */
export function defineView<Content extends object>(create: (root: HTMLElement, context: Context) => Draw<Content>) {
  function render({ model, el }: { model: Model; el: HTMLElement }) {
    const end = new AbortController();
    let waiting = 0;
    let width = 0;
    let unanswered: number | null = null; // the last action, once the kernel has begun with it

    function drawNow() {
      waiting = 0;
      const content = model.get("content") as Content & Partial<Answered>;
      width = el.clientWidth;
      if (width === 0 || content.answers === undefined) return;
      draw(content, width);
      confirm(content.answers); // unless drawing has sent the next action, which does it too
      el.dataset.answers = String(content.answers); // for tests
    }
    function redraw() {
      if (!waiting && !end.signal.aborted) waiting = requestAnimationFrame(drawNow);
    }
    const send: Send = (action, args = {}) => {
      const count = nextCount();
      unanswered = null;
      model.send(
        { action, args, count },
        onceBusy(() => {
          model.send({ received: count });
          unanswered = count;
        }),
      );
      return count;
    };
    /** Confirms an answer as `onceBusy` does a status: what other views show of the same change comes behind it. */
    function confirm(answers: number) {
      if (unanswered === null || answers < unanswered) return;
      model.send({ received: unanswered });
      unanswered = null;
    }

    function receive(callback: Receive) {
      const listen = (message: unknown, buffers: DataView[]) => callback(message, buffers);
      model.on("msg:custom", listen);
      end.signal.addEventListener("abort", () => model.off("msg:custom", listen));
    }

    el.classList.add("nbm-view");
    const read = (name: string) => model.get(name);
    const draw = create(el, { send, redraw, receive, read, signal: end.signal });
    const observer = new ResizeObserver(() => el.clientWidth !== width && redraw());
    observer.observe(el);
    model.on("change:content", redraw);
    redraw();
    return () => {
      end.abort();
      observer.disconnect();
      cancelAnimationFrame(waiting);
      model.off("change:content", redraw);
    };
  }
  return { render };
}

/**
 * Callbacks of a message that tell when the kernel has begun with it, which the server has passed on by then.
 *
 * Jupyter's server leaves Nagle's algorithm on: it holds the answer back until the browser has confirmed that status, and
 * a browser with nothing to send confirms it 40 ms later. Whatever is sent at that moment confirms it at once.
 */
function onceBusy(act: () => void) {
  const status = ({ content }: { content?: { execution_state?: string } }) => {
    if (content?.execution_state === "busy") act();
  };
  return { iopub: { status } };
}

let last = 0;

/** Rises with time, so that numbers of several browser windows on one kernel stay in order. */
export function nextCount(now: number = Date.now()): number {
  last = Math.max(last + 1, now);
  return last;
}
