// The state of a page: settings with their history, what is chosen, and the content of the Tracks view that follows.

import type { Content } from "../views/tracks/content.ts";
import { findMethod } from "./coefficients.ts";
import { readEntries, readLine } from "./curve.ts";
import { ALL, type Choice, describeCurve, listGroups, type Spans } from "./curve_part.ts";
import { type Data, Refusal, type Setting } from "./data.ts";
import { setColumns, setKnots } from "./edits.ts";
import { describeMoved, describeNothing, type Shown } from "./moved_part.ts";
import { placeShape } from "./shapes.ts";
import { type Cube, Follower, recordedCube, type What } from "./sums.ts";
import { roundValue } from "./values.ts";
import { setTyped } from "./write_typed.ts";

type Settings = readonly Setting[];
/** What is to be drawn; null leaves what is. */
type Wish = Record<"parameter" | "model" | "part", string | null>;
type Arguments = Record<string, unknown>;

const RECORDED = "Recorded with the page. Distances of this method follow only in a notebook.";
const CANCELLED = "The weights of a layer sum to 0, so they cannot be normalised. Change one of them.";

export class PageState {
  readonly #data: Data;
  readonly #follower: Follower | null;
  readonly #recorded: Cube | null;
  readonly #spans: Spans = new Map();
  #choice: Choice = { track: 0, group: null, overlaid: new Set() };
  #shown: Shown = { what: "distance", against: "" };
  #past: Settings[] = [];
  #future: Settings[] = [];
  #settings: Settings;
  #tag = "";
  #answers = 0;
  #followed: { settings: Settings; cube: Cube | null } | null = null;

  constructor(data: Data) {
    this.#data = data;
    this.#settings = data.settings;
    const follows = data.still === "" && data.gram !== null && findMethod(data.method.name) !== null;
    this.#follower = follows ? new Follower(data) : null;
    this.#recorded = recordedCube(data);
  }

  get settings(): Settings {
    return this.#settings;
  }

  get canUndo(): boolean {
    return this.#past.length > 0;
  }

  get canRedo(): boolean {
    return this.#future.length > 0;
  }

  get isChanged(): boolean {
    return this.#settings.some((setting, i) => setting.rules !== this.#data.settings[i]!.rules);
  }

  /** Does what a view asks for. Throws a `Refusal` where that cannot be done, and nothing changes then. */
  act(action: string, args: Arguments, count: number): void {
    this.#answers = Math.max(this.#answers, count);
    if (action === "curve.choose") this.#choose(args as unknown as Wish);
    else if (action === "curve.overlay") this.#overlay(String(args.parameter));
    else if (action === "moved.show") this.#show(args as { what: What | null; against: string | null });
    else this.#change(action, args);
  }

  undo(): void {
    this.#walk(this.#past, this.#future);
  }

  redo(): void {
    this.#walk(this.#future, this.#past);
  }

  reset(): void {
    if (this.isChanged) this.#take(this.#data.settings, "");
  }

  /** How far the merge is from each parent; null where it is not known. */
  get cube(): Cube | null {
    if (!this.#follower) return this.#recorded;
    if (this.#followed?.settings !== this.#settings) {
      this.#followed = { settings: this.#settings, cube: this.#follower.follow(this.#settings) };
    }
    return this.#followed.cube;
  }

  get what(): What {
    return this.#shown.what;
  }

  /** What the Tracks view draws. */
  get content(): Content {
    const data = this.#data;
    const curve = data.tracks.length ? { curve: describeCurve(data, this.#settings, this.#choice, this.#spans) } : {};
    return {
      columns: data.columns,
      reason: "",
      outdated: false,
      answers: this.#answers,
      rows: { ...curve, moved: this.#describeMoved() },
    };
  }

  #describeMoved() {
    const { cube } = this;
    if (this.#follower) {
      if (!cube) return describeNothing(this.#shown, CANCELLED);
      return describeMoved(this.#data, cube, this.#shown, "Exact; follows the curves.", false);
    }
    if (!cube) return describeNothing(this.#shown, this.#data.still);
    const note = this.#data.tracks.length ? RECORDED : "Recorded with the page.";
    return describeMoved(this.#data, cube, this.#shown, note, this.isChanged);
  }

  #choose({ parameter, model, part }: Wish): void {
    const now = this.#data.tracks[this.#choice.track]!;
    const name = parameter ?? now.parameter;
    const own = this.#data.tracks.flatMap((track, i) => (track.parameter === name ? [i] : []));
    const wanted = own.find((i) => this.#data.tracks[i]!.model === (model ?? now.model)) ?? own[0];
    if (wanted !== undefined) this.#choice = { ...this.#choice, track: wanted };
    if (part !== null) {
      this.#choice = { ...this.#choice, group: part !== ALL && listGroups(this.#data).includes(part) ? part : null };
    }
  }

  #overlay(parameter: string): void {
    const overlaid = new Set(this.#choice.overlaid);
    if (!overlaid.delete(parameter)) overlaid.add(parameter);
    this.#choice = { ...this.#choice, overlaid };
  }

  #show({ what, against }: { what: What | null; against: string | null }): void {
    this.#shown = { what: what ?? this.#shown.what, against: against ?? this.#shown.against };
  }

  #change(action: string, args: Arguments): void {
    const { track, group } = this.#choice;
    const made = this.#edit(action, args);
    if (made === null) return;
    const tag = args.gesture === undefined ? "" : JSON.stringify([track, group, action, args.gesture]);
    this.#take(made, tag);
  }

  /** The settings after an edit; null for an action that a page does not have. */
  #edit(action: string, args: Arguments): Settings | null {
    const [data, chosen, settings] = [this.#data, this.#choice, this.#settings];
    if (action === "curve.set_knots") {
      const line = readLine(data, settings, chosen.track, readEntries(data, settings, chosen.track), chosen.group);
      const knots = (args.knots as [number, number][])
        .map(([layer, value]) => ({ layer, value: roundValue(value) }))
        .sort((a, b) => a.layer - b.layer);
      return setKnots(data, settings, chosen, knots, line.alone);
    }
    if (action === "curve.set_values") {
      const values = (args.values as [number, number][]).map(([i, value]): [number, number] => [i, roundValue(value)]);
      return setColumns(data, settings, chosen, new Map(values));
    }
    if (action === "curve.type_values") return setTyped(data, settings, chosen, String(args.text));
    if (action === "curve.draw_shape") return this.#drawShape(String(args.name), args);
    return null;
  }

  #drawShape(name: string, { first = 0, second = 1 }: { first?: number; second?: number }): Settings {
    const shape = this.#data.shapes.find((known) => known.name === name);
    if (!shape) throw new Refusal(`There is no shape named “${name.slice(0, 60)}”.`);
    const knots = placeShape(shape.points, this.#data.depth).map(({ layer, value }) => ({
      layer,
      value: roundValue(first + (second - first) * value),
    }));
    return setKnots(this.#data, this.#settings, this.#choice, knots, []);
  }

  /** Makes these the settings; changes of one gesture are one step to undo. */
  #take(settings: Settings, tag: string): void {
    if (JSON.stringify(settings) === JSON.stringify(this.#settings)) return;
    if (tag === "" || tag !== this.#tag) this.#past.push(this.#settings);
    this.#tag = tag;
    this.#future = [];
    this.#settings = settings;
  }

  #walk(from: Settings[], to: Settings[]): void {
    const settings = from.pop();
    if (!settings) return;
    to.push(this.#settings);
    this.#settings = settings;
    this.#tag = "";
  }
}
