// Numbers and names as people read them.

/** A number with at most `digits` decimals and no trailing zeros; a true minus sign; "–" for none. */
export function number(value: number | null | undefined, digits = 2): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const text = Number(value.toFixed(digits)).toString();
  return text.startsWith("-") ? `−${text.slice(1)}` : text;
}

/** Numbers of a column with the same number of decimals: as many as one of them needs, at most `digits`. */
export function column(values: readonly (number | null | undefined)[], digits: number): string[] {
  const decimals = values.map((value) => number(value, digits).split(".")[1]?.length ?? 0);
  const most = Math.max(0, ...decimals);
  return values.map((value) =>
    typeof value === "number" && Number.isFinite(value) ? value.toFixed(most).replace("-", "−") : number(value),
  );
}

/** A number for narrow columns: .62 for 0.62. */
export function short(value: number | null | undefined, digits = 2): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return number(value);
  const text = value.toFixed(digits).replace(/^-0(\.0*)?$/, "0$1");
  return text.replace(/^(-?)0\./, "$1.").replace("-", "−");
}

/** A share as a percentage. */
export function percent(share: number | null | undefined, digits = 1): string {
  return share === null || share === undefined || Number.isNaN(share) ? "–" : `${number(share * 100, digits)} %`;
}

/** A long name with its middle left out; show the whole name as a tooltip. */
export function middle(name: string, most: number): string {
  if (name.length <= most) return name;
  const end = Math.floor((most - 1) * 0.45);
  return `${name.slice(0, most - 1 - end)}…${name.slice(name.length - end)}`;
}

/**
 * Names side by side in at most so many letters each: where one is longer, each leaves out the words that another one
 * starts with too, as long as all differ then, and the words at its end for which there is no room. `tell_apart` in Python
 * does the same.
 */
export function tellApart(names: readonly string[], most: number): string[] {
  if (names.every((name) => name.length <= most)) return [...names];
  const words = names.map((name) => name.split(/(?<=[-_. /])|(?=\+)/));
  const rests = words.map((own, i) => {
    const shared = words.map((other, j) => (i === j ? 0 : countShared(own, other)));
    return own.slice(Math.min(Math.max(...shared), own.length - 1));
  });
  const short = rests.map((rest, i) => cutEnd(rest, words[i]!, most));
  const count = new Set(names).size;
  return new Set(short).size === count ? short : names.map((name) => middle(name, most));
}

/** The end of a name by its words, without the last ones where they are too many. */
function cutEnd(rest: readonly string[], all: readonly string[], most: number): string {
  const start = rest.length < all.length ? "…" : "";
  const whole = `${start}${rest.join("")}`;
  if (whole.length <= most) return whole;
  let kept = rest.length - 1;
  const text = () =>
    `${start}${rest
      .slice(0, kept)
      .join("")
      .replace(/[-_. /]$/, "")}…`;
  while (kept > 1 && text().length > most) kept -= 1;
  return start && text().length <= most ? text() : middle(whole, most);
}

/** How many words two names have in common at their start. */
function countShared(one: readonly string[], other: readonly string[]): number {
  const differs = one.findIndex((word, i) => word !== other[i]);
  return differs < 0 ? one.length : differs;
}

/** "1 layer", "8 layers". */
export function plural(count: number, noun: string, nouns = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : nouns}`;
}
