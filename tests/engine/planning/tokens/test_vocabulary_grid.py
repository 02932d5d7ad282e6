"""Every source of tokens, kind of tokenizer, tied and untied, several methods: rows as the rule says, and a model that speaks.

The rule is written here a second time, token by token and in plain numpy.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch

from nbmerge.engine.live.live_merge import live
from nbmerge.recipe import Recipe
from tests.costs import rest_is_slow
from tests.tokenizers.makers import CORPUS, KINDS, model, rows, train, with_added

EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"
ADDED = {"base": (), "a": ("<|x|>", "<|shared|>"), "b": ("<|shared|>", "<|y|>")}
WEIGHTS = {"base": 0.2, "a": 0.5, "b": 0.3}
SOURCES = ("owners union", "owners base", "owners a", "fill union", "fill base", "fill b")
METHODS = ("linear", "task_arithmetic", "ties", "slerp")
T, DENSITY = 0.3, 0.5
GRID = list(itertools.product(KINDS, (False, True), SOURCES, METHODS))


def is_quick(case: tuple[str, bool, str, str]) -> bool:
    """One method for each of the others, every method as often as any."""
    kind, tied, source, method = case
    return (list(KINDS).index(kind) + 2 * tied + SOURCES.index(source) + METHODS.index(method)) % len(METHODS) == 0


def slerp(x: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
    angle = np.arccos((x * y).sum() / np.linalg.norm(x) / np.linalg.norm(y))
    return (np.sin((1 - t) * angle) * x + np.sin(t * angle) * y) / np.sin(angle)


def ties(x: np.ndarray, others: list[np.ndarray], weights: list[float]) -> np.ndarray:
    changes = []
    for other, weight in zip(others, weights, strict=True):
        change = other - x
        least = np.sort(np.abs(change).ravel())[-max(1, int(DENSITY * change.size))]
        changes.append(weight * np.where(np.abs(change) >= least, change, 0))
    sign = np.where(np.sum(changes, axis=0) >= 0, 1, -1)
    agree = [np.sign(c) == sign for c in changes]
    shares = sum(a * w for a, w in zip(agree, weights, strict=True))
    return x + sum(c * a for c, a in zip(changes, agree, strict=True)) / np.where(shares == 0, 1, shares)


RULES: dict[str, Callable[[list[np.ndarray], list[float]], np.ndarray]] = {
    "linear": lambda x, w: sum(m * k for m, k in zip(x, w, strict=True)) / sum(w),
    "task_arithmetic": lambda x, w: x[0] + sum((m - x[0]) * k for m, k in zip(x[1:], w[1:], strict=True)),
    "ties": lambda x, w: ties(x[0], x[1:], w[1:]),
    "slerp": lambda x, w: slerp(x[0], x[1], T),
}


@pytest.fixture(scope="module")
def families(tmp_path_factory):
    """Three models for each kind, tied and untied, made when they are first asked for."""
    made = {}

    def family(kind: str, tied: bool):
        if (kind, tied) not in made:
            folder = tmp_path_factory.mktemp("family")
            made[kind, tied] = {
                n: model(folder / n, with_added(train(kind), added), tied=tied, seed=i, hidden=8, heads=2, kv_heads=1)
                for i, (n, added) in enumerate(ADDED.items())
            }
        return made[kind, tied]

    return family


def vocabulary(folder) -> dict[str, int]:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab(with_added_tokens=True)


def expected(family, used: list[str], source: str, method: str, name: str) -> tuple[dict[str, int], np.ndarray]:
    """The result's tokens and rows, one token after another."""
    way, of = source.split()
    ids, matrix = {m: vocabulary(family[m]) for m in used}, {m: rows(family[m], name).double().numpy() for m in used}
    result = dict(ids["base" if of == "union" else of]) if of in ("union", *used) else vocabulary(family[of])
    if of == "union":
        for m in used:
            for token in sorted(ids[m], key=ids[m].get):
                result.setdefault(token, len(result))
    weights = [1 - T, T] if method == "slerp" else [WEIGHTS[m] for m in used]
    aligned = [np.zeros((len(result), 8)) for _ in used]
    merged = np.zeros((len(result), 8))
    for token, row in result.items():
        owners = [m for m in used if token in ids[m]]
        mine = {m: matrix[m][ids[m][token]] for m in owners}
        shares = {m: weights[used.index(m)] for m in owners}
        merged[row] = sum(mine[m] * shares[m] for m in owners) / sum(shares.values())
        filling = mine["base"] if "base" in mine else sum(mine.values()) / len(owners)
        for x, m in zip(aligned, used, strict=True):
            x[row] = mine.get(m, filling)
    return result, merged if way == "owners" else RULES[method](aligned, weights)


@pytest.mark.parametrize(("kind", "tied", "source", "method"), rest_is_slow(GRID, is_quick))
@pytest.mark.rest_is_slow(keep=16)
def test_rows_follow_the_rule_and_the_model_generates(families, kind, tied, source, method):
    family, (way, of) = families(kind, tied), source.split()
    used = ["base", "a"] if method == "slerp" else list(ADDED)
    if of == "b" and method == "slerp":
        of, source = "a", "fill a"
    wish = of if of in ("union", "base") else str(family[of])
    field = {"tokenizer": {"source": wish, "rows": "owners"}} if way == "owners" else {"tokenizer": {"source": wish}}
    parameters = {"t": T} if method == "slerp" else {"density": DENSITY} if method == "ties" else {}
    models = [
        {"model": str(family[m]), "parameters": {} if method == "slerp" else {"weight": WEIGHTS[m]}} for m in used
    ]
    recipe = Recipe.of({
        "merge_method": method, "base_model": str(family["base"]), "models": models, "parameters": parameters, "dtype": "float32", **field,
    })  # fmt: skip
    merged = live(recipe, threads=1)

    for name, layer in ((EMBED, merged.model.get_input_embeddings()), (HEAD, merged.model.get_output_embeddings())):
        ids, wanted = expected(family, used, source, method, EMBED if tied else name)
        np.testing.assert_allclose(layer.weight.double().numpy(), wanted, atol=2e-6)
    assert merged.tokenizer.get_vocab() == ids
    assert merged.model.config.vocab_size == len(ids)
    assert (HEAD in {t.name for t in merged.plan.tensors}) is not tied

    for text in CORPUS:
        assert merged.tokenizer(text)["input_ids"] == train_cut(families, kind, text)
    inputs = torch.tensor([merged.tokenizer(CORPUS[0])["input_ids"]])
    spoken = merged.model.generate(inputs, max_new_tokens=2, min_new_tokens=2, do_sample=False, pad_token_id=0)
    assert spoken.shape == (1, inputs.shape[1] + 2)
    assert int(spoken.max()) < len(ids)


def train_cut(families, kind: str, text: str) -> list[int]:
    """The text as the base's own tokenizer cuts it."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(families(kind, False)["base"] / "tokenizer.json")).encode(text).ids
