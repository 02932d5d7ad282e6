// Code from a view into the notebook around it; where the page has no notebook, the clipboard serves.
//
// JupyterLab and Notebook run a command when an element that names it is clicked: their "command linker", which listens
// at the body of the page. Whether it did is seen by the number of cells.

interface Clipboard {
  writeText(text: string): Promise<void>;
}

const WAIT = 60; // milliseconds in which a notebook makes a cell
const [LONG, STEP] = [3000, 50]; // the same after its question was answered, when it may save itself first

/**
 * Puts code into a new cell below the one that shows a view, or on the clipboard where there is no such notebook.
 *
 * @returns What was done, in words. Rejects where the browser does not allow copying either.
 */
export async function insertCell(
  view: HTMLElement,
  code: string,
  clipboard: Clipboard = globalThis.navigator?.clipboard,
): Promise<string> {
  if (await insertBelow(view, code)) return "Written into a new cell below.";
  await clipboard.writeText(code);
  return "Copied. Paste it into a new cell.";
}

async function insertBelow(view: HTMLElement, code: string): Promise<boolean> {
  const notebook = view.closest(".jp-Notebook");
  if (!notebook) return false;
  const count = () => notebook.querySelectorAll(".jp-Cell").length;
  const before = count();
  runCommand(view, "notebook:insert-cell-below", {});
  await pause(WAIT);
  const asks = () => view.isConnected && view.ownerDocument.querySelector(".jp-Dialog") !== null;
  if (asks()) await answered(asks, () => count() !== before);
  if (count() === before) return false;
  runCommand(view, "notebook:replace-selection", { text: code });
  return true;
}

/** Until a question is answered, and what it was about is done: JupyterLab asks in a notebook that is not trusted. */
async function answered(asks: () => boolean, isDone: () => boolean): Promise<void> {
  while (asks()) await pause(STEP);
  for (let waited = 0; waited < LONG && !isDone(); waited += STEP) await pause(STEP);
}

const pause = (time: number) => new Promise((resolve) => setTimeout(resolve, time));

function runCommand(view: HTMLElement, command: string, args: Record<string, unknown>): void {
  const link = view.ownerDocument.createElement("button");
  link.hidden = true;
  link.dataset.commandlinkerCommand = command;
  link.dataset.commandlinkerArgs = JSON.stringify(args);
  view.append(link);
  link.click();
  link.remove();
}
