// Code from a widget into the notebook. Only some front ends let a page run commands; elsewhere the clipboard serves.

/** JupyterLab and Notebook, where they are started with ``--expose-app-in-browser``. */
interface App {
  commands: { execute(command: string, args?: Record<string, unknown>): Promise<unknown> };
}

export type Outcome = "inserted" | "copied" | "shown";

/** Puts code into a new cell, or on the clipboard; "shown" where neither is possible. */
export async function addCell(
  code: string,
  page: { jupyterapp?: App } = globalThis as never,
  clipboard: { writeText(text: string): Promise<void> } | undefined = globalThis.navigator?.clipboard,
): Promise<Outcome> {
  if (page.jupyterapp) {
    try {
      await page.jupyterapp.commands.execute("notebook:insert-cell-below");
      await page.jupyterapp.commands.execute("notebook:replace-selection", { text: code });
      return "inserted";
    } catch {
      // no notebook is open, such as in a console
    }
  }
  try {
    if (!clipboard) return "shown";
    await clipboard.writeText(code);
    return "copied";
  } catch {
    return "shown";
  }
}
