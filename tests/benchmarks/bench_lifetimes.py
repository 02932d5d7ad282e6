"""What is left after many Studios, live models and pins: widgets, live models, threads, descriptors, memory.

    python -m tests.benchmarks.bench_lifetimes [--cells 20] [--live 50] [--pins 50 200]

A cell that makes a Studio, listens to it, pins the merge and measures the models runs again and again, as in a notebook,
whose history of outputs keeps every Studio that was shown. Then live models are made and let go of, and pins are added
and taken away. Numbers that grow with the number of rounds are leaks.
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

COLUMNS = ("", "widgets", "live models", "threads", "descriptors", "memory MB")


PATIENCE = 30
"""Seconds that threads may take to end: one draws a picture some seconds after the last change, another keeps the file."""


def wait_for_rest() -> None:
    """Until no thread of a Studio is left, which ends when it has nothing to do."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and any(thread.name.startswith("nbmerge") for thread in threading.enumerate()):
        time.sleep(0.05)


def left() -> list[int]:
    """What there is now, collected as well as it can be."""
    from ipywidgets.widgets import widget

    from nbmerge.engine.live.live_merge import LiveMerge

    wait_for_rest()
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alive = [x for x in gc.get_objects() if type(x) is LiveMerge and not getattr(x, "closed", False)]
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1_000_000
    return [len(widget._instances), len(alive), threading.active_count(), len(os.listdir("/proc/self/fd")), resident]


class Shell:
    """As much of a kernel's shell as names the cell and its run."""

    run = 0

    def get_parent(self) -> dict[str, Any]:
        """The message that asked for the present run."""
        Shell.run += 1
        header = {"msg_type": "execute_request", "msg_id": str(Shell.run)}
        return {"header": header, "metadata": {"cellId": "the cell"}, "content": {"code": ""}}


def used(recipe: Any) -> Any:
    """A Studio as somebody has used it: listened to, pinned, measured."""
    from nbmerge.widgets import Studio

    studio = Studio(recipe, save=False)
    samples = studio.samples
    samples.backend, samples.state.prompts, samples.length = "live", "the", 1
    samples.pin()
    assert samples.runner.wait(300)
    assert not samples.errors.value, samples.errors.value
    studio.tracks.rows["moved"].measure()
    studio.state.job.wait(300)
    return studio


def cells(recipe: Any, rounds: int) -> Iterator[tuple[str, list[int]]]:
    """One cell, run again and again."""
    import IPython

    shown, outside = [], IPython.get_ipython  # `shown` is the notebook's Out
    IPython.get_ipython = Shell
    try:
        for number in range(1, rounds + 1):
            shown.append(used(recipe))
            if number in (1, 2, rounds // 2, rounds):
                yield f"the cell, run {number} times", left()
        shown[-1].close()
        yield "its Studio closed", left()
    finally:
        IPython.get_ipython = outside


def live_models(recipe: Any, rounds: int) -> Iterator[tuple[str, list[int]]]:
    """Live models that are asked and let go of."""
    from nbmerge import live, sample

    for number in range(1, rounds + 1):
        merge = live(recipe)
        sample(merge, "the", max_new_tokens=1)
        merge.pin()
        merge.update(recipe.with_parameter("weight", 0.9))
        del merge
        if number in (1, rounds):
            yield f"{number} live models, one after the other", left()


def pins(recipe: Any, count: int) -> Iterator[tuple[str, list[int]]]:
    """Pins that are added in a Studio and taken away."""
    studio = used(recipe)
    yield "1 pin", left()
    panel, pool = studio.samples, studio.state.pool
    for _ in range(count - 1):
        pool.live.pin()
        panel.set_parents(True)
    yield f"{count} pins", left()
    for name in list(pool.pins)[1:]:
        panel.unpin(name)
    yield f"{count} pins, all but one taken away", left()
    studio.close()


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=20)
    parser.add_argument("--live", type=int, default=50)
    parser.add_argument("--pins", type=int, nargs="*", default=[50, 200])
    asked = parser.parse_args()
    for row in measured(asked.cells, asked.live, asked.pins):
        print("| " + " | ".join(map(str, row)) + " |", flush=True)


def measured(rounds: int, live: int, counts: list[int]) -> Iterator[list[Any]]:
    """The rows of the table."""
    import torch

    from nbmerge import Recipe
    from tests.models import make_family

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        family = make_family(Path(folder), layers=6, hidden=128, intermediate=512)
        models = [{"model": str(m), "parameters": {"weight": 0.5}} for m in (family.ft1, family.ft2)]
        recipe = Recipe.of({"merge_method": "task_arithmetic", "base_model": str(family.base), "models": models})
        yield list(COLUMNS)
        parts = [cells(recipe, rounds), live_models(recipe, live), *(pins(recipe, count) for count in counts)]
        for part in parts:
            for name, numbers in part:
                yield [name, *numbers]


if __name__ == "__main__":
    main()
