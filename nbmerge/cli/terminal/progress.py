"""A progress bar in the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from nbmerge.progress import Event, Listener


@contextmanager
def progress_bar(description: str, quiet: bool = False) -> Iterator[Listener]:
    """Yield a listener that draws a bar of bytes and remaining time, if standard error is a terminal."""
    bar = tqdm(
        desc=description, unit="B", unit_scale=True, disable=True if quiet else None, leave=False, mininterval=0.05
    )

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
            resumed = f" (resumed, {event.resumed} tensors kept)" if event.resumed else ""
            bar.set_description(description + resumed, refresh=False)
            bar.reset(event.bytes)
        elif event.kind in ("bytes", "tensor"):
            if event.tensor:
                bar.set_postfix_str(event.tensor, refresh=False)
            bar.update(event.bytes_done - bar.n)
        elif event.kind == "saving":
            bar.set_postfix_str("flushing to disk", refresh=True)

    with bar:
        yield listen
