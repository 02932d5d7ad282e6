// What a view can do with the notebook around it.

/**
 * Puts code into a new cell below the one that shows a view. Where the page is not JupyterLab or Notebook, it is copied.
 *
 * JupyterLab runs a command when an element that names it is clicked (its "command linker").
 *
 * @returns What was done, in words.
 */
export async function insertCell(view: HTMLElement, code: string): Promise<string> {
  if (view.closest(".jp-Notebook") && document.querySelector(".jp-LabShell, #main")) {
    runCommand(view, "notebook:insert-cell-below", {});
    await new Promise((resolve) => setTimeout(resolve, 50));
    runCommand(view, "notebook:replace-selection", { text: code });
    return "Written into a new cell below.";
  }
  await navigator.clipboard.writeText(code);
  return "Copied. Paste it into a new cell.";
}

function runCommand(view: HTMLElement, command: string, args: Record<string, unknown>): void {
  const link = document.createElement("button");
  link.hidden = true;
  link.dataset.commandlinkerCommand = command;
  link.dataset.commandlinkerArgs = JSON.stringify(args);
  view.append(link);
  link.click();
  link.remove();
}
