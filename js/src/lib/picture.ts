// A picture that the kernel has drawn, and buttons that give it as a file.

import "./picture.css";
import { h, set, write } from "./dom.ts";
import { downloads } from "./download.ts";
import type { Context } from "./view.ts";

/** A drawing as a PNG, in pixels of the page; without bytes there is none. */
export interface Drawing {
  png: DataView;
  width?: number;
  height?: number;
  label?: string;
}

const FORMATS = ["png", "pdf", "svg"];

/** An image that shows a drawing; its bytes are released when the view is removed. */
export function makePicture(signal: AbortSignal) {
  const element = h("img", { class: "nbm-figure-picture", alt: "", hidden: true });
  let bytes: DataView | null = null;
  let address = "";
  signal.addEventListener("abort", () => URL.revokeObjectURL(address));

  function show(drawing: Drawing, isStale = false) {
    if (drawing.png !== bytes) {
      URL.revokeObjectURL(address);
      bytes = drawing.png;
      const blob = new Blob([drawing.png as DataView<ArrayBuffer>]);
      address = drawing.png.byteLength ? URL.createObjectURL(blob) : "";
    }
    const { label, width, height } = drawing;
    set(element, { src: address || null, alt: label ?? "", width, height });
    element.hidden = !address;
    element.classList.toggle("nbm-stale", isStale);
  }
  return { element, show };
}

/** Buttons for the formats of files, and the line that says what became of them. */
export function makeFileButtons({ send, receive }: Pick<Context, "send" | "receive">) {
  const said = h("span", { class: "nbm-figure-said", role: "status" });
  const me = downloads(receive, (file) => write(said, `${file} was downloaded.`));
  const buttons = FORMATS.map((format) => {
    const name = format.toUpperCase();
    const button = h("button", { type: "button", class: "nbm-button", title: `Download the figure as ${name}` }, name);
    button.addEventListener("click", () => {
      write(said, `Preparing the ${name} …`);
      send("save", { format, window: me });
    });
    return button;
  });
  return { buttons, said, window: me };
}
