// The geometry of a score's history.

/** A point of a picture in pixels; y is null where the value is not a number. */
export interface Spot {
  x: number;
  y: number | null;
}

export const SIZE = { width: 150, height: 36, edge: 8 };

/** Where the values are drawn: evenly spread, the highest at the top; a single one stands at the end. */
export function placeValues(values: readonly (number | null)[]): Spot[] {
  const { width, height, edge } = SIZE;
  const known = values.filter((v): v is number => v !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const across = (width - 2 * edge) / Math.max(values.length - 1, 1);
  return values.map((value, i) => {
    const share = value === null ? null : high > low ? (value - low) / (high - low) : 0.5;
    const x = values.length > 1 ? edge + i * across : width - edge;
    return { x, y: share === null ? null : height - edge - share * (height - 2 * edge) };
  });
}

/** Position of the point nearest to an x, of those that are drawn; -1 without one. */
export function nearestSpot(spots: readonly Spot[], x: number): number {
  let best = -1;
  spots.forEach((spot, i) => {
    if (spot.y === null) return;
    if (best < 0 || Math.abs(spot.x - x) < Math.abs(spots[best]!.x - x)) best = i;
  });
  return best;
}
