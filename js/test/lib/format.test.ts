import assert from "node:assert/strict";
import { test } from "node:test";
import { column, middle, number, percent, plural, short, tellApart } from "../../src/lib/format.ts";

test("numbers lose trailing zeros and get a true minus sign", () => {
  assert.deepEqual(
    [0.5, -0.25, 1, 0.005, 1 / 0, Number.NaN, null].map((n) => number(n)),
    ["0.5", "−0.25", "1", "0.01", "∞", "–", "–"],
  );
});

test("the numbers of a column have as many decimals as the longest", () => {
  assert.deepEqual(column([0.94, 0.98667, 0, -1, null], 4), ["0.9400", "0.9867", "0.0000", "−1.0000", "–"]);
  assert.deepEqual(column([1, 2], 4), ["1", "2"]);
  assert.deepEqual(column([], 4), []);
});

test("narrow columns leave out the zero before the point", () => {
  assert.deepEqual(
    [0.62, -0.5, 1, -0.001, 12.3].map((n) => short(n)),
    [".62", "−.50", "1.00", ".00", "12.30"],
  );
});

test("shares and counts", () => {
  assert.deepEqual([percent(0.0791), percent(null)], ["7.9 %", "–"]);
  assert.deepEqual(
    [plural(1, "layer"), plural(8, "layer"), plural(2, "copy", "copies")],
    ["1 layer", "8 layers", "2 copies"],
  );
});

test("a long name keeps both ends and never exceeds the limit", () => {
  assert.equal(middle("short", 10), "short");
  for (const most of [9, 10, 24]) assert.equal(middle("meta-llama/Llama-3.1-8B-Instruct", most).length, most);
  assert.match(middle("meta-llama/Llama-3.1-8B-Instruct", 16), /^meta-llam…struct$/);
});

test("names side by side leave out the words that others start with", () => {
  assert.deepEqual(tellApart(["base", "math"], 10), ["base", "math"]);
  const long = ["Mistral-7B-v0.3-base", "Mistral-7B-v0.3-Instruct-math", "Mistral-7B-v0.3-Instruct-code"];
  assert.deepEqual(tellApart(long, 16), ["…base", "…math", "…code"]);
  const ends = ["Nemo-base-bf16", "Nemo-math-expert-lora-merged-bf16", "Nemo-code-expert-lora-merged-bf16"];
  assert.deepEqual(tellApart(ends, 18), ["…base-bf16", "…math-expert-lora…", "…code-expert-lora…"]);
  assert.deepEqual(tellApart(ends, 10), ["…base-bf16", "…math…", "…code…"]);
  const adapted = ["Llama-3-base", "Llama-3-base+french-lora-r16"];
  assert.deepEqual(tellApart(adapted, 10), ["…base", "…+french…"]);
  const alike = ["first-run-final", "first-one", "second-run-final", "second-one"];
  assert.deepEqual(tellApart(alike, 14), ["first-ru…final", "first-one", "second-r…final", "second-one"]);
  assert.equal(tellApart(["meta-llama/Llama-3.1-8B-Instruct"], 12)[0]?.length, 12);
});
