"""What a merge of 405 billion parameters takes on several machines: on paper, from costs measured here.

    NBMERGE_KERNELS=1 python -m tests.benchmarks.bench_machines [--rounds 5]

Measured: seconds of one processor for each element of the result, reading from and writing to the page cache, checks and
checksums included (processor time, so that other work on this machine counts little), and how long a cluster takes for a
task that does nothing. Stated, not measured: processors, disks and networks of the machines. Everything is printed as the
table in docs/machines.md has it, with the arithmetic.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

ELEMENTS = 405_853_388_800
"""Llama 3.1 405B."""
LARGEST = 16_384 * 128_256
"""Its largest tensor, the embedding; a tensor is made by one thread."""
TENSORS = 1137
ITEM = 2
"""Bytes of a bfloat16 number."""
CORES = 32
"""Threads of a node that merge."""

SHAPE = (2048, 8192)
"""What is measured: 16.8 million elements, as wide as the layers of a large model, 34 MB for each input."""


@dataclass(frozen=True)
class Storage:
    """A shared filesystem; bytes a second."""

    words: str
    link: float
    """Of one node, each way."""
    total_read: float
    total_write: float
    nodes: tuple[int, ...] = (1, 4, 16, 64)


STORAGES = (
    Storage("one machine with its own NVMe drives", 7e9, 7e9, 5e9, (1,)),
    Storage("a file server on 25 Gbit/s links", 2.5e9, 5e9, 3e9),
    Storage("a parallel filesystem on 200 Gbit/s links", 20e9, 200e9, 120e9),
)
METHODS = {"linear": 2, "slerp": 2, "ties": 3, "dare_ties": 3}
"""Number of models that are read."""


def measured(method: str, rounds: int) -> float:
    """Seconds of one processor for each element, in the least disturbed round."""
    from nbmerge.checkpoints import StoredTensor
    from nbmerge.engine.compute.pool import run
    from nbmerge.engine.cost.samples import Samples
    from nbmerge.engine.output.shards import ShardWriter
    from nbmerge.engine.planning.plans import TensorPlan
    from nbmerge.methods import Values

    count = METHODS[method]
    shared = (
        {"t": 0.4} if method == "slerp" else {"normalize": True, "lambda": 1.0, "consensus": "sum", "rescale": True}
    )
    each = {"linear": {"weight": (0.6, 0.4)}, "slerp": {}}.get(
        method, {"weight": (None, 0.5, 0.5), "density": (None, 0.5, 0.5)}
    )
    with tempfile.TemporaryDirectory(prefix="nbmerge-machines-") as name:
        folder = Path(name)
        stored = StoredTensor("w", "bfloat16", SHAPE, folder / "w", 0)
        samples = Samples(folder, own=False)
        inputs = tuple(samples.take_input(stored, SHAPE, number=i) for i in range(count))
        tensor = TensorPlan(
            "w", SHAPE, "bfloat16", None, "mlp", method, inputs, tuple("abc"[:count]),
            Values(shared | {"zero_tensors": "keep_other"}, each, tuple(map(str, range(count)))),
        )  # fmt: skip
        took = []
        for _ in range(rounds):
            with closing(ShardWriter(folder, [tensor], {})) as writer:
                began = time.process_time()
                run([tensor], lambda tensor, blocks, writer=writer: writer.emit(tensor), threads=1)
                took.append(time.process_time() - began)
    return min(took) / tensor.count


@dataclass(frozen=True)
class Bound:
    """What a merge needs at least, and by what."""

    seconds: float
    by: str


def bound(method: str, cost: float, nodes: int, storage: Storage, task: float) -> Bound:
    """The longest of five: all overlap, since each node runs many tasks at a time.

    Inputs cross the network once: where a method reads twice, the second time is served from the node's memory.
    """
    read, written = ELEMENTS * ITEM * METHODS[method], ELEMENTS * ITEM
    return max(
        (
            Bound(ELEMENTS * cost / (nodes * CORES), "processors"),
            Bound(read / min(nodes * storage.link, storage.total_read), "reading"),
            Bound(written / min(nodes * storage.link, storage.total_write), "writing"),
            Bound(LARGEST * cost, "largest tensor"),
            Bound(TENSORS * task, "handing out tasks"),
        ),
        key=lambda b: b.seconds,
    )


def task_seconds(tasks: int = 500) -> float:
    """How long a cluster of one process takes for a task that does nothing."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.submit(len, "warm").result()
        began = time.perf_counter()
        for future in [client.submit(len, str(i), pure=False) for i in range(tasks)]:
            future.result()
        return (time.perf_counter() - began) / tasks


def _nodes(count: int) -> str:
    return f"{count} node{'s' * (count > 1)}"


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    costs = {method: measured(method, rounds) for method in METHODS}
    print("| method | processor time, ns an element | read, TB | written, TB | processor hours |")
    print("|---|---|---|---|---|")
    for method, cost in costs.items():
        read, written = ELEMENTS * ITEM * METHODS[method] / 1e12, ELEMENTS * ITEM / 1e12
        print(f"| {method} | {cost * 1e9:.2f} | {read:.2f} | {written:.2f} | {ELEMENTS * cost / 3600:.2f} |")
    task = task_seconds()
    print(f"\na task that does nothing: {task * 1e3:.2f} ms; {TENSORS} tasks at most")
    for storage in STORAGES:
        print(f"\n{storage}\n")
        print(f"| method | {' | '.join(_nodes(n) for n in storage.nodes)} |" + "\n|---|" + "---|" * len(storage.nodes))
        for method, cost in costs.items():
            cells = (bound(method, cost, n, storage, task) for n in storage.nodes)
            print(f"| {method} | " + " | ".join(f"{b.seconds / 60:.1f} min, {b.by}" for b in cells) + " |")


if __name__ == "__main__":
    main()
