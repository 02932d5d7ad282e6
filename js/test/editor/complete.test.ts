import assert from "node:assert/strict";
import { test } from "node:test";
import { listOptions, partAt, type Words } from "../../src/views/editor/complete.ts";
import { placeAt } from "../../src/views/editor/place.ts";

const parameter = { help: "Help.", range: "0 to 1", default: "1", each: true, choices: [] };
const words: Words = {
  keys: {
    recipe: [{ name: "models", help: "the models", nested: true }],
    model: [{ name: "parameters", help: "of this model", nested: true }],
  },
  methods: [
    {
      name: "ties",
      title: "TIES",
      help: "Trims.",
      parameters: [
        { ...parameter, name: "weight" },
        { ...parameter, name: "normalize", each: false, choices: ["true", "false"], range: "true or false" },
        { ...parameter, name: "lambda", each: false, default: "" },
      ],
    },
  ],
  models: ["org/a"],
  values: { dtype: ["bfloat16"], tokenizer_source: ["union", "base"] },
};

function options(text: string) {
  const place = placeAt(text, text.length);
  return place ? listOptions(place, "ties", words) : [];
}
const labels = (text: string) => options(text).map((o) => o.label);

test("keys, methods, models and values where they belong", () => {
  assert.deepEqual(labels(""), ["models"]);
  assert.deepEqual(labels("merge_method: "), ["ties"]);
  assert.deepEqual(labels("base_model: "), ["org/a"]);
  assert.deepEqual(labels("models:\n  - "), ["parameters", "org/a"]);
  assert.deepEqual(labels("tokenizer_source: "), ["union", "base", "org/a"]);
  assert.deepEqual(labels("dtype: "), ["bfloat16"]);
  assert.deepEqual(labels("name: "), []);
});

test("parameters of the method: a model has those that each model has", () => {
  assert.deepEqual(labels("parameters:\n  "), ["weight", "normalize", "lambda"]);
  assert.deepEqual(labels("models:\n  - model: a\n    parameters:\n      "), ["weight"]);
  assert.deepEqual(labels("parameters:\n  normalize: "), ["true", "false"]);
  assert.deepEqual(labels("parameters:\n  normalize:\n    - filter: mlp\n      value: "), ["true", "false"]);
  const [weight, , lambda] = options("parameters:\n  ");
  assert.equal(weight!.info, "Help. Allowed: 0 to 1. Default: 1.");
  assert.match(lambda!.info!, /has no default/);
  assert.equal(weight!.apply, "weight: ");
});

test("parts are found by their path", () => {
  assert.equal(partAt(["modules", "decoder"]), "module");
  assert.equal(partAt(["modules", "decoder", "slices", "-", "sources", "-"]), "model");
  assert.equal(partAt(["tokenizer", "tokens", "<s>"]), "token");
  assert.equal(partAt(["parameters", "t"]), null);
  assert.equal(partAt(["parameters", "t", "-"]), "rule");
  assert.equal(partAt(["dtype_overrides", "-"]), "dtype_rule");
  assert.equal(partAt(["shared_experts", "-"]), "expert");
});
