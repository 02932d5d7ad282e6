// What edits do to a stack of layers, and what keys and a pointer mean. Nothing here touches the page.

/** The number of a model, and that of a layer of it. */
export type Layer = readonly [model: number, layer: number];
export type Layers = readonly Layer[];

/** A changed stack, and the layer in it that is chosen afterwards. */
export interface Edited {
  layers: Layers;
  chosen: number;
}

export interface Model {
  label: string;
  colour: string;
  depth: number;
}

/** Moves a layer; `to` is counted without it. */
export function move(layers: Layers, index: number, to: number): Edited {
  const rest = layers.filter((_, i) => i !== index);
  const chosen = Math.min(Math.max(to, 0), rest.length);
  return { layers: [...rest.slice(0, chosen), layers[index]!, ...rest.slice(chosen)], chosen };
}

export function insert(layers: Layers, at: number, layer: Layer): Edited {
  return { layers: [...layers.slice(0, at), layer, ...layers.slice(at)], chosen: at };
}

export const repeat = (layers: Layers, index: number): Edited => insert(layers, index + 1, layers[index]!);

/** The last layer stays: a stack has at least one. */
export function remove(layers: Layers, index: number): Edited {
  if (layers.length === 1) return { layers, chosen: 0 };
  return { layers: layers.filter((_, i) => i !== index), chosen: Math.min(index, layers.length - 2) };
}

/** Takes the layer of the same number from the next model that has it. */
export function change(layers: Layers, index: number, models: readonly Model[]): Edited {
  const [model, layer] = layers[index]!;
  const others = models.map((_, i) => (model + 1 + i) % models.length).filter((i) => layer < models[i]!.depth);
  const changed: Layer = [others[0] ?? model, layer];
  return { layers: layers.map((old, i) => (i === index ? changed : old)), chosen: index };
}

export type Command = "left" | "right" | "move left" | "move right" | "repeat" | "remove" | "change";

/** What a command does to a stack of which a layer is chosen. */
export function edit(command: Command, layers: Layers, chosen: number, models: readonly Model[]): Edited {
  const last = layers.length - 1;
  const edits: Record<Command, () => Edited> = {
    left: () => ({ layers, chosen: Math.max(chosen - 1, 0) }),
    right: () => ({ layers, chosen: Math.min(chosen + 1, last) }),
    "move left": () => (chosen > 0 ? move(layers, chosen, chosen - 1) : { layers, chosen }),
    "move right": () => (chosen < last ? move(layers, chosen, chosen + 1) : { layers, chosen }),
    repeat: () => repeat(layers, chosen),
    change: () => change(layers, chosen, models),
    remove: () => remove(layers, chosen),
  };
  return edits[command]();
}

const KEYS: Record<string, Command> = {
  ArrowLeft: "left",
  ArrowRight: "right",
  Delete: "remove",
  Backspace: "remove",
  r: "repeat",
  m: "change",
};

/** What a key does to the layer in focus: arrows go to another one, and move it with Ctrl. */
export function readKey(event: { key: string; ctrlKey: boolean; metaKey: boolean; altKey: boolean }): Command | null {
  const command = KEYS[event.key] ?? null;
  const held = event.ctrlKey || event.metaKey;
  if (event.altKey) return null;
  if (command === "left") return held ? "move left" : "left";
  if (command === "right") return held ? "move right" : "right";
  return held ? null : command;
}

export interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** How many layers are before a point, in rows that are read like text. */
export function dropAt(boxes: readonly Box[], x: number, y: number): number {
  return boxes.filter((box) => box.bottom < y || (box.top <= y && (box.left + box.right) / 2 < x)).length;
}
