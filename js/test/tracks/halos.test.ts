import assert from "node:assert/strict";
import { test } from "node:test";
import { describeHelp, helpOf, type SensitivityPart, triangle } from "../../src/views/tracks/halos.ts";

const part: SensitivityPart = {
  scores: ["perplexity"],
  score: "perplexity",
  slopes: [-2, 1, null, 9],
  most: 2,
  lower: true,
  ready: false,
  progress: "",
  note: "",
  stale: false,
};

test("a negative slope of a score that is better when lower means that up helps", () => {
  assert.equal(helpOf(part, 0), 1);
  assert.equal(helpOf(part, 1), -0.5);
  assert.equal(helpOf(part, 2), null);
  assert.equal(helpOf(part, 3), -1); // outside the layers, where slopes may be far larger
  assert.equal(helpOf({ ...part, lower: false }, 0), -1);
});

test("words say which way, and what a step does", () => {
  assert.equal(describeHelp(part, 0), "up helps: perplexity −0.2 per +0.1");
  assert.equal(describeHelp(part, 1), "down helps: perplexity +0.1 per +0.1");
  assert.equal(describeHelp(part, 2), "");
});

test("triangles point away from the curve, the larger the stronger", () => {
  assert.equal(triangle(10, 50, 1, 6), "M4.0 40.0h12.0l-6.0 -9.6z");
  assert.equal(triangle(10, 50, -0.25, 6), "M7.0 60.0h6.0l-3.0 4.8z");
});
