"""A merge's events as a bar in the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from nbmerge.progress import Event, Listener


@contextmanager
def progress_bar(words: str, quiet: bool = False) -> Iterator[Listener]:
    """Give a listener that draws a bar of bytes and remaining time, where there is a terminal to draw on."""
    bar = tqdm(desc=words, unit="B", unit_scale=True, disable=True if quiet else None, leave=False, mininterval=0.05)

    fetching = False

    def listen(event: Event) -> None:
        nonlocal fetching
        if event.kind == "fetching":
            if not fetching:
                bar.set_description("Downloading", refresh=False)
                bar.reset(event.bytes)
            fetching = True
            bar.set_postfix_str(event.tensor, refresh=False)
            bar.update(event.bytes_done - bar.n)
        elif event.kind == "planned":
            fetching = False
            kept = f" (going on, {event.kept} tensors were finished)" if event.kept else ""
            bar.set_description(words + kept, refresh=False)
            bar.reset(event.bytes)
        elif event.kind in ("bytes", "tensor"):
            if event.tensor:
                bar.set_postfix_str(event.tensor, refresh=False)
            bar.update(event.bytes_done - bar.n)
        elif event.kind == "saving":
            bar.set_postfix_str("bringing it to the disk", refresh=True)

    with bar:
        yield listen
