// The arithmetic of bands: where an edge or a band that is dragged would go.

export interface BandSource {
  model: string;
  label: string;
  colour: string;
  first: number;
  end: number;
}

/** A range of the result's layers and what it is made of. */
export interface Band {
  start: number;
  depth: number;
  sources: BandSource[];
}

export type Edge = "first" | "end";

/** The range of a band's first source when one of its edges is dragged by some layers. */
export function dragEdge(band: Band, edge: Edge, by: number, depthOf: (model: string) => number): [number, number] {
  const { first, end, model } = band.sources[0]!;
  const lowest = Math.min(...band.sources.map((source) => source.first));
  if (edge === "first") return [Math.min(Math.max(first + by, first - lowest), end - 1), end];
  const room = Math.min(...band.sources.map((source) => depthOf(source.model) - source.end));
  return [first, Math.min(Math.max(end + by, first + 1), end + Math.max(room, 0), depthOf(model))];
}

/** The place among the others that a band goes to when it is dropped at a layer of the result. */
export function dropAt(bands: readonly Band[], index: number, layer: number): number {
  const others = bands.filter((_, i) => i !== index);
  return others.filter((band) => band.start + band.depth / 2 <= layer).length;
}

/** What a band is, in words: "math 0–23", "layers 0–31 of math and code". */
export function nameBand(band: Band): string {
  const [first, ...more] = band.sources;
  if (!first) return "";
  const range = (source: BandSource) =>
    source.end - source.first === 1 ? `${source.first}` : `${source.first}–${source.end - 1}`;
  if (more.length === 0) return `${first.label} ${range(first)}`;
  const same = more.every((source) => source.first === first.first && source.end === first.end);
  if (!same) return band.sources.map((source) => `${source.label} ${range(source)}`).join(", ");
  const names = band.sources.map((source) => source.label);
  return `${first.end - first.first === 1 ? "layer" : "layers"} ${range(first)} of ${joinNames(names)}`;
}

export function joinNames(names: readonly string[]): string {
  return names.length < 2 ? (names[0] ?? "") : `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
}

/** What a key does to the band in focus: arrows go to another, with Ctrl they move it, with Shift its end. */
export function readBandKey(event: { key: string; shiftKey: boolean; ctrlKey: boolean; metaKey: boolean }) {
  const { key, shiftKey, ctrlKey, metaKey } = event;
  if (key === "Delete" || key === "Backspace") return { kind: "remove", by: 0 } as const;
  const by = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
  if (by === 0) return null;
  return { kind: shiftKey ? "resize" : ctrlKey || metaKey ? "move" : "go", by } as const;
}
