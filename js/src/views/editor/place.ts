// Where in a recipe the cursor is: found from indentation alone, so that it works in a text that is not finished.

/** A place in a YAML text. */
export interface Place {
  /** Keys from the top; "-" is an entry of a list. */
  path: string[];
  /** The key whose value is being written; null where a key is. */
  key: string | null;
  /** What is written of it so far, and where that begins. */
  word: string;
  from: number;
}

interface Line {
  /** Columns of the dashes before the content. */
  dashes: number[];
  /** Column of the content. */
  column: number;
  /** Key and the rest after its colon; null where the content is none. */
  key: string | null;
  rest: string;
}

const ENTRY = /^("[^"]*"|'[^']*'|[^\s#:{}[\],"'][^:{}[\],]*?):(?:\s+(.*)|)$/;

/** The place at a position; null in a comment. */
export function placeAt(text: string, position: number): Place | null {
  const start = text.lastIndexOf("\n", position - 1) + 1;
  const before = text.slice(start, position);
  if (/(^|\s)#/.test(before)) return null;
  const line = readLine(before);
  const above = text.slice(0, start).split("\n").slice(0, -1);
  const path = findPath(above, line);
  const isFlow = /^[{[]/.test(line.rest);
  if (line.key === null && !isFlow) return finish(path, null, line.rest, position);
  return inValue(path, line.key, line.rest, position);
}

function readLine(text: string): Line {
  let column = text.length - text.trimStart().length;
  const dashes: number[] = [];
  while (/^-(\s|$)/.test(text.slice(column))) {
    dashes.push(column);
    column += 1;
    column += text.slice(column).length - text.slice(column).trimStart().length;
  }
  const content = text.slice(column);
  const entry = ENTRY.exec(content);
  const key = entry ? entry[1]!.replace(/^["']|["']$/g, "") : null;
  return { dashes, column, key, rest: entry ? (entry[2] ?? "") : content };
}

/** The keys that a line is below, found by going up from it. */
function findPath(above: string[], line: Line): string[] {
  const path: string[] = [];
  let column = line.column;
  let inList = false;
  const enterDashes = (dashes: number[]) => {
    for (const dash of [...dashes].reverse()) {
      path.unshift("-");
      column = dash;
      inList = true;
    }
  };
  enterDashes(line.dashes);
  for (const text of [...above].reverse()) {
    if (text.startsWith("---")) break;
    if (/^\s*(#|$)/.test(text)) continue;
    const other = readLine(text);
    const hasDash = other.dashes.length > 0;
    const isParent = other.column < column || (inList && !hasDash && other.column === column);
    const isFirstOfItem = !isParent && !inList && hasDash && other.column === column;
    if (!isParent && !isFirstOfItem) continue;
    if (isParent && other.key !== null) path.unshift(other.key);
    column = other.column;
    inList = false;
    enterDashes(other.dashes);
  }
  return path;
}

/** Inside `key: {a: 1, b` and `key: [a, b`, as far as they are on one line. */
class Flow {
  word = "";
  readonly #stack: { isList: boolean; name: string | null; depth: number }[] = [];

  constructor(
    readonly path: string[],
    public name: string | null,
  ) {}

  read(letter: string): void {
    if (letter === "{" || letter === "[") this.#open(letter === "[");
    else if (letter === "}" || letter === "]") this.#close();
    else if (letter === "," && this.#stack.length) this.#next();
    else if (letter === ":" && this.#isKey) this.#turn(this.word.trim());
    else this.word += letter;
  }

  get #isKey(): boolean {
    return this.name === null && this.#stack.at(-1)?.isList === false;
  }
  #open(isList: boolean): void {
    this.#stack.push({ isList, name: this.name, depth: this.path.length });
    if (this.name !== null) this.path.push(this.name);
    if (isList) this.path.push("-");
    this.#turn(null);
  }
  #close(): void {
    const top = this.#stack.pop();
    if (top) this.path.length = top.depth;
    this.#turn(top?.name ?? null);
  }
  #next(): void {
    this.#turn(null);
  }
  #turn(name: string | null): void {
    this.name = name;
    this.word = "";
  }
}

function inValue(path: string[], key: string | null, rest: string, position: number): Place {
  const flow = new Flow([...path], key);
  for (const letter of rest) flow.read(letter);
  return finish(flow.path, flow.name, flow.word, position);
}

function finish(path: string[], key: string | null, written: string, position: number): Place {
  const word = written.trimStart();
  return { path, key, word, from: position - word.length };
}

/** The merge method of the document that a position is in; empty where none is named. */
export function methodAt(text: string, position: number): string {
  const start = Math.max(0, text.lastIndexOf("\n---", position));
  const next = text.indexOf("\n---", position);
  const document = text.slice(start, next < 0 ? undefined : next);
  return /^merge_method:\s*["']?([\w-]+)/m.exec(document)?.[1] ?? "";
}

const DIALECT = /^dialect:[ \t]*["']?([\w.-]*)["']?.*$/m;

/** The dialect that a text declares; empty where it declares none. */
export function readDialect(text: string): string {
  return DIALECT.exec(text)?.[1] ?? "";
}

/** The text with another dialect; an empty one is removed. */
export function writeDialect(text: string, dialect: string): string {
  const line = `dialect: ${dialect}`;
  if (DIALECT.test(text)) {
    return dialect ? text.replace(DIALECT, line) : text.replace(new RegExp(`${DIALECT.source}\n?`, "m"), "");
  }
  if (!dialect) return text;
  const method = /^merge_method:.*$/m.exec(text);
  if (!method) return `${line}\n${text}`;
  return `${text.slice(0, method.index)}${line}\n${text.slice(method.index)}`;
}
