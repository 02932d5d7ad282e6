// Files that the kernel sends to the window that asked for them.

import { h } from "./dom.ts";
import type { Context } from "./view.ts";

interface File {
  file: string;
  type: string;
  window: string;
}

/**
 * Downloads the files that come for this window, and returns its name, which goes with a request: other windows show the
 * same view and have asked for nothing.
 */
export function downloads(receive: Context["receive"], done: (name: string) => void): string {
  const me = Math.random().toString(36).slice(2);
  receive((message, buffers) => {
    const { file, type, window } = message as File;
    if (!file || window !== me || !buffers[0]) return;
    const url = URL.createObjectURL(new Blob([buffers[0] as DataView<ArrayBuffer>], { type }));
    h("a", { href: url, download: file }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    done(file);
  });
  return me;
}
