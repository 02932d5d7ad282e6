// What keys mean in the curve: one tab stop, everything else by arrows.

export type Command =
  | { kind: "go"; by: number }
  | { kind: "edge"; to: "first" | "last" }
  | { kind: "knot"; by: 1 | -1 }
  | { kind: "extend"; by: number }
  | { kind: "nudge"; steps: number }
  | { kind: "add" }
  | { kind: "remove" }
  | { kind: "all" }
  | { kind: "clear" }
  | { kind: "type" }
  | { kind: "open" };

interface Key {
  key: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

const PLAIN: Record<string, Command> = {
  ArrowUp: { kind: "nudge", steps: 1 },
  ArrowDown: { kind: "nudge", steps: -1 },
  PageUp: { kind: "nudge", steps: 10 },
  PageDown: { kind: "nudge", steps: -10 },
  Home: { kind: "edge", to: "first" },
  End: { kind: "edge", to: "last" },
  Insert: { kind: "add" },
  k: { kind: "add" },
  Delete: { kind: "remove" },
  Backspace: { kind: "remove" },
  Escape: { kind: "clear" },
  Enter: { kind: "type" },
  f: { kind: "open" },
};

/** The command of a key, null where the key is not the curve's. */
export function readKey({ key, shiftKey, ctrlKey, metaKey, altKey }: Key): Command | null {
  if (altKey) return null;
  const command = ctrlKey || metaKey;
  const by = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
  if (by && command) return { kind: "knot", by };
  if (by) return { kind: shiftKey ? "extend" : "go", by };
  if (command) return key === "a" ? { kind: "all" } : null;
  return PLAIN[key] ?? null;
}
