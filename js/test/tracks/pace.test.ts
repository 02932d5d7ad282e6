// While the kernel is at a move, the next ones become one; nothing is lost and nothing comes too late.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Move, Pace } from "../../src/views/tracks/pace.ts";

interface Values {
  values: [number, number][];
}

function makePace() {
  const sent: string[] = [];
  const pace = new Pace(
    (action, args) => sent.push(`${action} ${JSON.stringify(args)}`),
    () => {},
  );
  const set = (gesture: number, ...values: [number, number][]) => {
    const join = (earlier: Values) => ({ values: [...new Map([...earlier.values, ...values])] });
    pace.submit({ action: "set", gesture, args: { values }, join } as unknown as Move);
  };
  return { sent, pace, set };
}

test("the moves that come while one is underway are sent as one, with the last value of each layer", () => {
  const { sent, pace, set } = makePace();
  for (const value of [1, 2, 3]) set(1, [0, value]);
  set(1, [4, 9]);
  assert.deepEqual(sent, ['set {"values":[[0,1]],"gesture":1}']);
  pace.settle(0); // an older answer
  assert.equal(sent.length, 1);
  pace.settle(1);
  assert.equal(sent[1], 'set {"values":[[0,3],[4,9]],"gesture":1}');
  pace.settle(2);
  set(1, [0, 5]); // nothing is underway any more
  assert.equal(sent.length, 3);
});

test("moves of two gestures stay two, in their order", () => {
  const { sent, pace, set } = makePace();
  for (const gesture of [1, 1, 2]) set(gesture, [0, gesture]);
  assert.equal(sent.length, 2);
  pace.flush();
  assert.deepEqual(
    sent.map((message) => JSON.parse(message.slice(4)).gesture),
    [1, 1, 2],
  );
});

test("a move does not wait for ever", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { sent, set } = makePace();
  set(1, [0, 1]);
  set(1, [0, 2]);
  context.mock.timers.tick(1000);
  assert.equal(sent.length, 2);
});
