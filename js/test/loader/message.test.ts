import assert from "node:assert/strict";
import { test } from "node:test";
import { hasScript } from "../../src/views/loader/message.ts";

test("only a message with a text as its script is the bundle", () => {
  assert.equal(hasScript({ script: "export default {}" }), true);
  for (const other of [null, undefined, "script", {}, { script: 1 }, { answer: "x" }])
    assert.equal(hasScript(other), false);
});
