// The smallest change that makes one text another, so that the cursor stays where it is.

/** A replacement, as CodeMirror takes it. */
export interface Change {
  from: number;
  to: number;
  insert: string;
}

/** What to replace in a text to get another; null where they are equal. */
export function findChange(before: string, after: string): Change | null {
  if (before === after) return null;
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < most - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  return { from: start, to: before.length - end, insert: after.slice(start, after.length - end) };
}
