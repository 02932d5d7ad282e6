"""Drop at random, rescale, merge: the arithmetic given the mask, and a mask that depends on the recipe alone."""

import itertools
import math

import numpy as np
import pytest
import torch

from nbmerge.engine.compute.pool import run
from nbmerge.engine.merge import merge
from nbmerge.engine.planning.planner import plan
from nbmerge.errors import RecipeError
from nbmerge.methods import dare
from nbmerge.methods.numerics import random_streams
from nbmerge.recipe import Recipe
from tests.methods.merging import carried_out, merged, recipe_of
from tests.models import make_model, read_tensors


@pytest.fixture
def masks(monkeypatch):
    """Set what is kept: a 0/1 list for each input, by its order."""

    def set_masks(*rows):
        def kept(key: str, start: int, count: int, density: float) -> np.ndarray:
            return np.asarray(rows[int(key.split("/")[1])], dtype=bool)[start : start + count]

        monkeypatch.setattr(dare, "kept", kept)

    return set_masks


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, [12, 0, 16, 0]),  # base + [2, 0, 6, 0]
        ({"rescale": True}, [12, 0, 16, 0]),
        ({"rescale": False}, [11, 0, 13, 0]),
        ({"rescale": 0}, [11, 0, 13, 0]),
        ({"rescale": "l1"}, [12.5, 0, 17.5, 0]),  # times 10/4, as the sum of absolute values was
        ({"lambda": 0.5}, [11, 0, 13, 0]),
    ],
)
@pytest.mark.parametrize("method", ["dare_linear", "dare_ties"])
def test_the_arithmetic_given_the_mask(tmp_path, masks, method, more, expected):
    masks([1, 0, 1, 0])
    base, tuned = [10.0, 0.0, 10.0, 0.0], [11.0, 2.0, 13.0, 4.0]
    out = merged(tmp_path, method, [tuned], base, each={"weight": [1], "density": [0.5]}, **more)
    assert out.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, [2 / 0.5 - 2 * 3 / 0.25, 2 * 4 / 0.25, 0]),
        ({"normalize": True}, [-20 / 3, 32 / 3, 0]),
        ({"rescale": False}, [2 - 6, 8, 0]),
    ],
)
def test_the_sum_of_two(tmp_path, masks, more, expected):
    masks([1, 0, 0], [1, 1, 0])
    each = {"weight": [1, 2], "density": [0.5, 0.25]}
    out = merged(tmp_path, "dare_linear", [[2.0, 2.0, 2.0], [-3.0, 4.0, 5.0]], [0.0, 0.0, 0.0], each=each, **more)
    assert out.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, [-2 * 3 / 0.25, 2 * 4 / 0.25, 0]),  # not divided by the weights, unlike TIES
        ({"normalize": True}, [-12, 16, 0]),
    ],
)
def test_the_sign_of_two_models_is_elected(tmp_path, masks, more, expected):
    masks([1, 0, 0], [1, 1, 0])
    each = {"weight": [1, 2], "density": [0.5, 0.25]}
    out = merged(tmp_path, "dare_ties", [[2.0, 2.0, 2.0], [-3.0, 4.0, 5.0]], [0.0, 0.0, 0.0], each=each, **more)
    assert out.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("method", ["dare_linear", "dare_ties"])
def test_the_ends_of_density(tmp_path, method):
    base, tuned = [1.0, 1.0], [3.0, 0.0]
    for density, expected in ((0, base), (1, tuned)):
        for rescale in (True, False, "l1"):
            each = {"weight": [1], "density": [density]}
            assert merged(tmp_path, method, [tuned], base, each=each, rescale=rescale).tolist() == expected


def test_nothing_kept_does_not_divide_by_zero(tmp_path, masks):
    masks([0, 0])
    each = {"weight": [1], "density": [0.5]}
    assert merged(tmp_path, "dare_linear", [[3.0, 4.0]], [1.0, 1.0], each=each, rescale="l1").tolist() == [1, 1]


def test_by_default_every_element_is_kept(tmp_path):
    assert merged(tmp_path, "dare_linear", [[3.0, 0.0]], [1.0, 1.0], each={"weight": [0.5]}).tolist() == [2, 0.5]


@pytest.mark.parametrize("method", ["dare_linear", "dare_ties"])
def test_an_input_with_weight_zero_has_no_effect(tmp_path, method):
    nan = [float("nan")] * 2
    each = {"weight": [1, 0], "density": [1, 0.5]}
    assert merged(tmp_path, method, [[3.0, 0.0], nan], [1.0, 1.0], each=each).tolist() == [3, 0]


# --- the mask ---

N = 40_000


def ones(folder, density, seed=0, method="dare_linear", threads=1, inputs=1):
    """How task vectors of ones come out: 1/density where kept, 0 where dropped."""
    each = {"weight": [1] * inputs, "density": [density] * inputs}
    r = recipe_of(folder, method, [torch.ones(N)] * inputs, torch.zeros(N), each=each, random_seed=seed)
    return carried_out(r, threads)[0]


@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_the_share_that_is_kept(tmp_path, density):
    out = ones(tmp_path, density)
    share = out.count_nonzero().item() / N
    assert abs(share - density) < 5 * math.sqrt(density * (1 - density) / N)
    assert out.unique().tolist() == pytest.approx([0, 1 / density])


def test_neighbours_are_independent(tmp_path):
    kept = ones(tmp_path, 0.5).ne(0).double() - 0.5
    for lag in (1, 2, 3, 4, 8, 16, 1000):
        correlation = 4 * (kept[lag:] * kept[:-lag]).mean().item()
        assert abs(correlation) < 5 / math.sqrt(N)


def test_models_have_masks_of_their_own(tmp_path):
    both = ones(tmp_path, 0.5, inputs=2) / 2
    assert set(both.unique().tolist()) == {0, 1, 2}
    assert both.eq(2).float().mean().item() == pytest.approx(0.25, abs=0.02)


def test_the_seed_decides(tmp_path):
    first = ones(tmp_path, 0.5, seed=0)
    assert torch.equal(first, ones(tmp_path, 0.5, seed=0))
    other = ones(tmp_path, 0.5, seed=1)
    assert first.eq(other).float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_both_dare_methods_draw_the_same_masks(tmp_path):
    assert torch.equal(ones(tmp_path, 0.3), ones(tmp_path, 0.3, method="dare_ties"))


def test_a_higher_density_keeps_what_a_lower_one_kept(tmp_path):
    low, high = (ones(tmp_path, d).ne(0) for d in (0.3, 0.6))
    assert not (low & ~high).any()


@pytest.mark.slow
def test_the_mask_does_not_depend_on_where_models_lie_or_what_else_is_in_them(tmp_path):
    base = make_model(tmp_path / "x" / "base")
    tuned = make_model(tmp_path / "x" / "tuned", base=base, seed=1)
    moved = make_model(tmp_path / "elsewhere" / "b")
    moved_tuned = make_model(
        tmp_path / "elsewhere" / "t", base=moved, seed=1, shards=3, replace={"model.layers.0.mlp.up_proj.weight": None}
    )
    make_model(moved, replace={"model.layers.0.mlp.up_proj.weight": None})
    outs = []
    for b, t, threads in ((base, tuned, 1), (moved, moved_tuned, 2)):
        r = Recipe.of({
            "merge_method": "dare_linear", "base_model": str(b), "random_seed": 7,
            "models": [{"model": str(t), "parameters": {"weight": 1, "density": 0.5}}],
        })  # fmt: skip
        merge(r, tmp_path / f"out{threads}", threads=threads)
        outs.append(read_tensors(tmp_path / f"out{threads}"))
    assert set(outs[1]) < set(outs[0])
    assert all(torch.equal(outs[0][n], outs[1][n]) for n in outs[1])


def test_one_tensor_alone_is_what_it_is_in_the_whole(tmp_path):
    base = make_model(tmp_path / "base")
    tuned = make_model(tmp_path / "tuned", base=base, seed=1)
    data = {
        "merge_method": "dare_linear",
        "base_model": str(base),
        "parameters": {"weight": 1, "density": 0.5},
        "models": [str(tuned)],
    }
    planned = plan(Recipe.of(data))

    def results(tensors):
        out = {}

        def sink(tensor, _blocks):
            return lambda start, block: out.setdefault(tensor.name, []).append((start, block.clone()))

        run(tensors, sink, threads=1)
        return {n: torch.cat([b for _, b in sorted(blocks)]) for n, blocks in out.items()}

    whole = results(planned.tensors)
    some = results(planned.tensors[::-7])
    assert all(torch.equal(some[n], whole[n]) for n in some)


# --- the stream of numbers ---


def test_a_stream_can_start_anywhere():
    whole = random_streams.uniform("0/0/x", 0, 1000)
    assert np.array_equal(random_streams.uniform("0/0/x", 504, 100), whole[504:604])
    assert whole.dtype == np.float32
    assert whole.min() >= 0
    assert whole.max() < 1


def test_streams_of_different_keys_differ():
    assert not np.array_equal(random_streams.uniform("0/0/x", 0, 100), random_streams.uniform("0/1/x", 0, 100))


def test_the_random_stream_is_fixed():
    # Merges made today must come out alike in years: these are the numbers of Philox4x64-10, written down once.
    first = [0.1718084216117859, 0.6519113183021545, 0.6727403998374939, 0.8707690834999084]
    later = [0.33881211280822754, 0.30682599544525146, 0.881163477897644, 0.3557150959968567]
    assert random_streams.uniform("0/0/model.norm.weight", 0, 4).tolist() == first
    assert random_streams.uniform("0/0/model.norm.weight", 262144, 4).tolist() == later
    assert (
        "".join(map(str, random_streams.kept("0/0/model.norm.weight", 262144, 24, 0.4).astype(int)))
        == "010111010000001000001000"
    )


@pytest.mark.parametrize("start", [0, 1, 15, 16, 504])
def test_decisions_do_not_depend_on_the_start(start):
    whole = random_streams.kept("0/0/x", 0, 1000, 0.37)
    assert np.array_equal(random_streams.kept("0/0/x", start, 333, 0.37), whole[start : start + 333])


@pytest.mark.parametrize("probability", [0.0, 1e-6, 1e-4, 0.37, 0.5, 0.999, 1 - 1e-7, 1.0])
def test_the_probability_is_met_however_small(probability):
    count = 1 << 22
    share = random_streams.kept("0/0/x", 0, count, probability).mean()
    assert abs(share - probability) <= 5 * (probability * (1 - probability) / count) ** 0.5


def test_on_the_boundary_more_bits_decide(monkeypatch):
    # 0.3 lies between 76 and 77 of 256: of the elements drawn as 76, eight in ten are kept.
    monkeypatch.setattr(
        random_streams,
        "_bits",
        lambda key, step: type("Same", (), {"random_raw": lambda s, n: np.full(n, 0x4C4C4C4C4C4C4C4C, "u8")})(),
    )
    assert 0.75 < random_streams.kept("0/0/x", 0, 4000, 0.3).mean() < 0.85


def test_what_is_kept_stays_where_the_density_grows():
    kept = [random_streams.kept("0/0/x", 0, 100_000, p) for p in (0.1, 0.3, 0.30001, 0.9)]
    assert all((few <= more).all() for few, more in itertools.pairwise(kept))


@pytest.mark.parametrize("density", [-0.1, 1.1])
def test_an_impossible_density_is_refused(tmp_path, density):
    with pytest.raises(RecipeError, match="0 to 1"):
        ones(tmp_path, density)


def test_an_unknown_rescale_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="l1"):
        merged(tmp_path, "dare_linear", [[1.0]], [0.0], each={"weight": [1]}, rescale="l2")
