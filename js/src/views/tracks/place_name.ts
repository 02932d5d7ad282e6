// Where the name of a curve stands so that nothing crosses it: beside the curve or, where that is not free, anywhere.

export type Point = readonly [number, number];

/** A rectangle in pixels. */
export interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** What a name is placed among. */
export interface Surroundings {
  /** Where names may stand. */
  room: Box;
  /** Other curves from left to right; a curve of one point is that point. */
  curves: readonly (readonly Point[])[];
  /** Names and marks that stand already. */
  taken: readonly Box[];
}

export interface Size {
  width: number;
  height: number;
}

/** A place, and whether nothing crosses it. */
export interface Place extends Box {
  free: boolean;
}

const STEP = 6; // pixels between the places that are tried
const GAP = 5; // between a name and its own curve
const CLEARANCE = 7; // between a name and other curves, whose points are circles
const ENOUGH = 24; // more clearance than this makes no place better

/** The best place for a name of a size above or below its own curve; null where the curve or the room has none. */
export function placeName(own: readonly Point[], size: Size, around: Surroundings): Place | null {
  return choose(listBeside(own, size, around.room), around);
}

/** The best place anywhere in the room, rather at its top left. */
export function placeAnywhere(size: Size, around: Surroundings): Place | null {
  const { room } = around;
  const boxes = range(room.top, room.bottom - size.height).flatMap((top, row) =>
    range(room.left, room.right - size.width).map((left, column) => ({
      box: { left, right: left + size.width, top, bottom: top + size.height },
      cost: row + column / 4,
    })),
  );
  return choose(boxes, around);
}

interface Candidate {
  box: Box;
  /** How much clearance makes up for the place. */
  cost: number;
}

function choose(candidates: readonly Candidate[], { curves, taken }: Surroundings): Place | null {
  let best: Place | null = null;
  let most = Number.NEGATIVE_INFINITY;
  for (const { box, cost } of candidates) {
    const clearance = Math.min(...curves.map((curve) => distance(curve, box)), ENOUGH);
    const free = clearance >= CLEARANCE && !taken.some((other) => overlaps(other, box));
    const score = (free ? 0 : -1000) + clearance - cost;
    if (score > most) [best, most] = [{ ...box, free }, score];
  }
  return best;
}

/** Places above and below a curve; where it is steep they are away from its middle, which costs. */
function listBeside(own: readonly Point[], { width, height }: Size, room: Box): Candidate[] {
  const [first, last] = [own[0]?.[0] ?? 0, own[own.length - 1]?.[0] ?? -1];
  return range(room.left, room.right - width).flatMap((left) => {
    const [right, centre] = [left + width, left + width / 2];
    const span = centre < first || centre > last ? null : extent(own, left, right);
    if (!span) return [];
    return [span.top - GAP - height, span.bottom + GAP]
      .map((top) => ({ box: { left, right, top, bottom: top + height }, cost: (span.bottom - span.top) / 2 }))
      .filter(({ box }) => box.top >= room.top && box.bottom <= room.bottom);
  });
}

/** Places from a first to a last one. */
function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, Math.floor((to - from) / STEP) + 1) }, (_, i) => from + i * STEP);
}

/** The vertical range of a curve between two places; null where the curve is elsewhere. */
function extent(curve: readonly Point[], left: number, right: number): { top: number; bottom: number } | null {
  let [top, bottom] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const include = (y: number) => {
    if (Number.isNaN(y)) return; // the curve is interrupted
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  };
  curve.forEach(([x, y], i) => {
    if (x >= left && x <= right) include(y);
    const next = curve[i + 1];
    if (!next) return;
    for (const edge of [left, right]) {
      if (x < edge && edge < next[0]) include(y + ((edge - x) / (next[0] - x)) * (next[1] - y));
    }
  });
  return top <= bottom ? { top, bottom } : null;
}

/** Vertical distance of a curve from a box; 0 where it crosses the box, infinite where it is beside it. */
function distance(curve: readonly Point[], box: Box): number {
  const span = extent(curve, box.left - CLEARANCE, box.right + CLEARANCE);
  return span ? Math.max(span.top - box.bottom, box.top - span.bottom, 0) : Number.POSITIVE_INFINITY;
}

const overlaps = (one: Box, other: Box): boolean =>
  one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
