import assert from "node:assert/strict";
import { test } from "node:test";
import { methodAt, placeAt, readDialect, writeDialect } from "../../src/views/editor/place.ts";

/** The place at the bar in a text. */
function at(text: string) {
  const position = text.indexOf("|");
  const place = placeAt(text.replace("|", ""), position);
  return place && { path: place.path.join("."), key: place.key, word: place.word };
}

test("keys at every level of a recipe", () => {
  assert.deepEqual(at("merge|"), { path: "", key: null, word: "merge" });
  assert.deepEqual(at("models:\n  - mod|"), { path: "models.-", key: null, word: "mod" });
  assert.deepEqual(at("models:\n  - model: a\n    par|"), { path: "models.-", key: null, word: "par" });
  assert.deepEqual(at("models:\n- model: a\n  parameters:\n    we|"), {
    path: "models.-.parameters",
    key: null,
    word: "we",
  });
  assert.deepEqual(at("slices:\n  - sources:\n      - model: a\n        layer_range: [0, 2]\n      - |"), {
    path: "slices.-.sources.-",
    key: null,
    word: "",
  });
  assert.deepEqual(at("models:\n  - model: a\nparameters:\n  t:\n    - filter: mlp\n      va|"), {
    path: "parameters.t.-",
    key: null,
    word: "va",
  });
});

test("values, also inside braces and brackets", () => {
  assert.deepEqual(at("merge_method: ti|"), { path: "", key: "merge_method", word: "ti" });
  assert.deepEqual(at("# text\n\nmodels:\n  - model: org/a|"), { path: "models.-", key: "model", word: "org/a" });
  assert.deepEqual(at("models:\n  - {model: a, par|"), { path: "models.-", key: null, word: "par" });
  assert.deepEqual(at("parameters: {t: 0.5, em|"), { path: "parameters", key: null, word: "em" });
  assert.deepEqual(at("models:\n  - model: a\n    parameters: {weight: [0, 1], rescale: tr|"), {
    path: "models.-.parameters",
    key: "rescale",
    word: "tr",
  });
  assert.deepEqual(at("models: [a, b|"), { path: "models.-", key: null, word: "b" });
  assert.equal(at("dtype: float16 # the fl|"), null);
});

test("the method is that of the same document", () => {
  const text = "merge_method: ties\nname: a\n---\nmerge_method: 'slerp'\nmodels: []\n";
  assert.equal(methodAt(text, 3), "ties");
  assert.equal(methodAt(text, text.length), "slerp");
  assert.equal(methodAt("models:", 2), "");
});

test("the dialect is written into the text and taken out of it", () => {
  const text = "# mine\nmerge_method: ties\nmodels: [a]\n";
  const written = writeDialect(text, "mergekit-0.1");
  assert.equal(written, "# mine\ndialect: mergekit-0.1\nmerge_method: ties\nmodels: [a]\n");
  assert.equal(readDialect(written), "mergekit-0.1");
  assert.equal(readDialect(writeDialect(written, "nbmerge")), "nbmerge");
  assert.equal(writeDialect(written, ""), text);
  assert.equal(readDialect(text), "");
});
