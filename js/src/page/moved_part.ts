// What the Tracks view draws of distances: the counterpart of nbmerge/widgets/panels/tracks/rows/moved.py.

import type { MovedPart } from "../views/tracks/rows/moved.ts";
import type { Data } from "./data.ts";
import type { Cube, What } from "./sums.ts";

const FINEST = 1e-6; // smallest range of a scale: below is the rounding of float32
const GROUPS = 3; // of the kinds, those in layers come first

export interface Shown {
  what: What;
  against: string;
}

/** The part without anything measured, with the reason. */
export function describeNothing({ what }: Shown, note: string): MovedPart {
  return {
    what,
    note,
    button: "",
    progress: null,
    estimating: null,
    stale: false,
    against: "",
    lines: [],
    cells: [],
    range: [0, 1],
    same: 0,
    factor: 1,
    toward: "",
    unit: "",
    rising: true,
    totals: [],
  };
}

export function describeMoved(data: Data, cube: Cube, shown: Shown, note: string, stale: boolean): MovedPart {
  const { what } = shown;
  const against = cube.parents.includes(shown.against) ? shown.against : cube.parents[0]!;
  const layers = Array.from({ length: cube.depth }, (_, layer) => layer);
  const kinds = data.kinds.map((_, kind) => kind);
  const kindOf = (role: string) => data.kinds.findIndex(({ key }) => key === role);
  const lines = cube.parents.map((_, parent) =>
    data.columns.map(({ layer, role }) =>
      layer === null
        ? cube.read(what, parent, [cube.depth], [kindOf(role)])
        : cube.read(what, parent, layer < cube.depth ? [layer] : [], kinds),
    ),
  );
  const inside = kinds.slice(0, GROUPS).filter((kind) => cube.has(layers, kind));
  const colours = new Map(data.parents.map(({ label, colour }) => [label, colour]));
  const isDistance = what === "distance";
  return {
    ...describeNothing(shown, note),
    stale,
    parents: cube.parents.map((label) => ({ label, colour: colours.get(label) ?? "" })),
    against,
    lines,
    cells: inside.map((kind) => ({
      label: data.kinds[kind]!.label,
      values: data.columns.map(({ layer }) =>
        layer === null || layer >= cube.depth ? null : cube.read(what, cube.parents.indexOf(against), [layer], [kind]),
      ),
    })),
    range: limitsOf(lines.flat(), isDistance),
    same: isDistance ? 0 : 1,
    factor: isDistance ? 100 : 1,
    toward: isDistance ? "from" : "with",
    unit: isDistance ? " %" : "",
    rising: isDistance,
    totals: cube.parents.map((_, parent) => cube.read(what, parent, [...layers, cube.depth], kinds)),
  };
}

/** Ends of a scale: from no change to the greatest there is, never an empty range. */
function limitsOf(values: readonly (number | null)[], isDistance: boolean): [number, number] {
  const given = values.filter((value) => value !== null);
  return isDistance ? [0, Math.max(...given, FINEST)] : [Math.min(...given, 1 - FINEST), 1];
}
