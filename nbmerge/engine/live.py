"""A merged model in memory, without a file: to be asked at once, changed layer by layer, and saved as it was heard.

The tensors are computed by the same code as on disk, into buffers that the transformers model holds as its parameters.
A change of the recipe recomputes only what the plan says has changed, always from the parents, so nothing drifts.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nbmerge.engine.folder import TOKENIZER_FILES, absolute, write_tokenizer
from nbmerge.engine.journal import Journal
from nbmerge.engine.merge import MergeResult, write_model
from nbmerge.engine.plan import Plan, TensorPlan
from nbmerge.engine.planner import plan as make_plan
from nbmerge.engine.progress import Listener
from nbmerge.engine.quiet import without_bars
from nbmerge.engine.run import run
from nbmerge.engine.shards import MAX_SHARD, ShardWriter
from nbmerge.errors import NbmergeError, SampleError
from nbmerge.recipe import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Update:
    """What an update did.

    Parameters
    ----------
    touched : tuple of str
        Names of the tensors that were computed.
    seconds : float
    """

    touched: tuple[str, ...]
    seconds: float

    def __repr__(self) -> str:
        return f"<Update: {len(self.touched)} tensors in {1000 * self.seconds:.1f} ms>"


def live(
    recipe: Recipe | str,
    *,
    progress: Listener | None = None,
    cancel: threading.Event | None = None,
    threads: int | None = None,
) -> LiveMerge:
    """Merge into memory.

    Parameters
    ----------
    recipe : Recipe, or anything that `Recipe.load` reads
    progress, cancel, threads
        As in `merge`.

    Raises
    ------
    RecipeError
        With all problems, before a weight is read.
    SampleError
        When transformers cannot make a model of the result.
    """
    merged = LiveMerge(make_plan(recipe))
    merged._compute(merged.plan.tensors, progress, cancel, threads)
    merged._build()
    return merged


class LiveMerge:
    """A merge in memory; made by `live`.

    Attributes
    ----------
    model : PreTrainedModel
        In evaluation mode; its parameters are replaced in place by `update`.
    tokenizer : PreTrainedTokenizerBase or None
        That of the config donor; None where it has none.
    plan : Plan
        What the model holds now.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase | None

    def __init__(self, plan: Plan):
        self.plan = plan
        self._weights = {t.name: torch.empty(t.shape, dtype=getattr(torch, t.dtype)) for t in plan.tensors}
        self._stale: set[str] = set()
        self._copied: set[str] = set()
        self._lock = threading.Lock()

    @property
    def recipe(self) -> Recipe:
        """The recipe that the model holds."""
        return self.plan.recipe

    def update(
        self,
        recipe: Recipe | str,
        *,
        progress: Listener | None = None,
        cancel: threading.Event | None = None,
        threads: int | None = None,
    ) -> Update:
        """Change the model to another recipe, computing only the tensors whose inputs or numbers changed.

        A stopped update leaves the model between the two recipes; the next one mends it.
        """
        began = time.perf_counter()
        plan = make_plan(recipe)
        with self._lock:
            if plan.config != self.plan.config or [_shape(t) for t in plan.tensors] != [
                _shape(t) for t in self.plan.tensors
            ]:
                self._start_over(plan, progress, cancel, threads)
                return Update(tuple(t.name for t in plan.tensors), time.perf_counter() - began)
            changed = [t for t in plan.tensors if t.name in self._stale or t != self.plan[t.name]]
            self._stale = {t.name for t in changed}
            if plan.tokenizer != self.plan.tokenizer:
                self.tokenizer = _tokenizer(plan)
            self.plan = plan
            self._compute(changed, progress, cancel, threads)
            if self._copied & self._stale:  # an architecture that fuses or reshapes on loading
                self._build()
            self._stale = set()
        return Update(tuple(t.name for t in changed), time.perf_counter() - began)

    def save(self, out: str | Path, *, max_shard_size: int = MAX_SHARD, overwrite: bool = False) -> MergeResult:
        """Write the model folder with exactly the tensors that the model holds; the same bytes as `merge` writes."""
        if self._stale:
            raise NbmergeError("The last update was stopped half-way. Call update with the wanted recipe, then save.")

        def fill(writer: ShardWriter, journal: Journal) -> Counter[str]:
            for tensor in self.plan.tensors:
                writer.emit(tensor)(0, self._weights[tensor.name].reshape(-1))
            return Counter()

        with self._lock:
            return write_model(self.plan, absolute(out), fill, max_shard_size=max_shard_size, overwrite=overwrite)

    def _start_over(self, plan: Plan, progress, cancel, threads) -> None:
        fresh = LiveMerge(plan)
        fresh._compute(plan.tensors, progress, cancel, threads)
        fresh._build()
        self.plan, self.model, self.tokenizer = plan, fresh.model, fresh.tokenizer
        self._weights, self._copied, self._stale = fresh._weights, fresh._copied, set()

    def _compute(self, tensors, progress, cancel, threads) -> None:
        def sink(tensor: TensorPlan, blocks):
            flat = self._weights[tensor.name].view(-1)
            return lambda start, block: flat[start : start + block.numel()].copy_(block)

        with torch.no_grad():
            run(tensors, sink, progress=progress, cancel=cancel, threads=threads, allow_nonfinite=True)

    def _build(self) -> None:
        """Let transformers make the model around our buffers, by its own loading code."""
        self.model = _model(self.plan, self._weights)
        self.tokenizer = _tokenizer(self.plan)
        held = {t.data_ptr() for t in self.model.state_dict().values()}
        self._copied = {n for n, w in self._weights.items() if w.data_ptr() not in held}

    def __repr__(self) -> str:
        return f"<LiveMerge {self.recipe!r}: {self.plan.parameters:,} parameters in memory>"


def _shape(tensor: TensorPlan) -> tuple:
    return tensor.name, tensor.shape, tensor.dtype


def _model(plan: Plan, weights: dict[str, torch.Tensor]) -> PreTrainedModel:
    """A transformers model whose parameters are our buffers, made by its own loading code."""
    import transformers
    from transformers import AutoConfig

    try:
        config = AutoConfig.for_model(**plan.config)
        cls = getattr(transformers, (plan.config.get("architectures") or [""])[0], transformers.AutoModelForCausalLM)
        with without_bars():
            model, info = cls.from_pretrained(
                None, config=config, state_dict=dict(weights), dtype=config.dtype, output_loading_info=True
            )
    except Exception as error:  # transformers raises anything from KeyError to ImportError here
        what = f"transformers cannot make a model of this merge: {type(error).__name__}: {error}"
        raise SampleError(f"{what} Merge it to disk and load it as its architecture needs.") from error
    if lacking := sorted(info["missing_keys"]):
        raise SampleError(
            f"The merge lacks {lacking[0]!r} ({len(lacking)} tensors) of {type(model).__name__}; it would be random."
        )
    return model.eval().requires_grad_(False)


def _tokenizer(plan: Plan) -> PreTrainedTokenizerBase | None:
    if plan.tokenizer is None:
        return _loaded_tokenizer(plan.checkpoints[plan.donor].path)
    with tempfile.TemporaryDirectory(prefix="nbmerge-tokenizer-") as name:
        folder = Path(name)
        write_tokenizer(plan, folder)
        (folder / "config.json").write_text(json.dumps(plan.config), encoding="utf-8")
        return _loaded_tokenizer(folder)


def _loaded_tokenizer(folder: Path) -> PreTrainedTokenizerBase | None:
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        return None
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever a tokenizer's files may trip over
        raise SampleError(f"The tokenizer in {folder} cannot be loaded: {error}") from error
