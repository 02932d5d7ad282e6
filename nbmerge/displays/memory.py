"""Merges in memory, their pins and their updates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbmerge.displays.layout import block, bullets, facts, fold, heading
from nbmerge.displays.markup import Markup
from nbmerge.errors import NotReadyError
from nbmerge.sizes import human

if TYPE_CHECKING:
    from nbmerge.engine.live import LiveMerge, Pin, Update, VirtualMerge

SPELLED = {"LiveMerge": "Live merge", "VirtualMerge": "Virtual merge"}


def show_merge_in_memory(merge: LiveMerge | VirtualMerge) -> Markup:
    """What the model is now, the memory that it takes, and its pins; or why it cannot be used."""
    name = SPELLED.get(type(merge).__name__, type(merge).__name__)
    try:
        plan = merge.plan
    except NotReadyError as error:
        return block(heading(name), str(error))
    pins = getattr(merge, "pins", {})
    device = getattr(merge, "device", None)
    pinned = getattr(merge, "pinned_bytes", 0)
    return block(
        heading(name, plan.method.title),
        facts(
            [
                ("models", ", ".join(plan.parents)),
                ("result", f"{plan.depth} layers, {plan.parameters:,} parameters, {human(plan.bytes_written)}"),
                ("device", str(device) if device is not None else ""),
                ("pins", ", ".join(map(str, pins))),
                ("memory of pins", human(pinned) if pinned else ""),
                ("recipe", plan.recipe.fingerprint[:8]),
            ]
        ),
    )


def show_pin(pin: Pin) -> Markup:
    """Name, recipe and size."""
    plan = pin.plan
    return block(
        heading(f"Pin {pin.name}", plan.method.title),
        facts(
            [
                ("models", ", ".join(plan.parents)),
                ("weights", f"{human(pin.nbytes)}, shared with the live merge where they are the same"),
                ("recipe", plan.recipe.fingerprint[:8]),
            ]
        ),
    )


def show_update(update: Update) -> Markup:
    """How much was computed, and which tensors."""
    count = len(update.touched)
    title = f"{count:,} {'tensor' if count == 1 else 'tensors'} computed"
    names = fold("Tensors", bullets(update.touched)) if count else Markup()
    return block(heading(title, f"{1000 * update.seconds:.1f} ms"), names)
