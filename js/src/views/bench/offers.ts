// Models that can be added: each with a button, a badge and what is known of it.

import { h } from "../../lib/dom.ts";
import { middle } from "../../lib/format.ts";
import type { Send } from "../../lib/view.ts";
import { button } from "./common.ts";

export interface Offer {
  path: string;
  name: string;
  /** "model", "misfit", "adapter", "unusable", "link" or "folder". */
  kind: string;
  detail: string;
  chosen: boolean;
  canAdd: boolean;
}

/** Widest names, in characters. */
export const LONGEST_NAME = 60;

/** A group of offers, folded where they are many. */
export function offerGroup(title: string, offers: Offer[], send: Send): HTMLElement[] {
  if (!offers.length) return [];
  const items = offers.map((offer) => h("li", {}, badge(offer), name(offer), addButton(offer, send), detail(offer)));
  return [
    h(
      "details",
      { open: offers.length <= 6 },
      h("summary", {}, `${title} (${offers.length})`),
      h("ul", { class: "nbm-offers" }, ...items),
    ),
  ];
}

/** What adds a model; an empty place where it cannot be added. */
export function addButton(offer: Offer, send: Send): HTMLElement {
  const add = () => send("add", { path: offer.path });
  const inner = !offer.canAdd
    ? null
    : offer.chosen
      ? h("span", { class: "nbm-quiet" }, "chosen")
      : button("Add", add, { "aria-label": `Add ${offer.name}`, "data-key": `add${offer.path}` });
  return h("span", {}, inner);
}

export const badge = (offer: Offer) => h("span", { class: `nbm-kind nbm-kind-${offer.kind}` }, offer.kind);

export const detail = (offer: Offer) => h("small", {}, offer.detail);

const name = (offer: Offer) => h("span", { class: "nbm-name", title: offer.path }, middle(offer.name, LONGEST_NAME));
