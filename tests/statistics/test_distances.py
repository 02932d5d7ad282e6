import math

import pandas as pd
import pytest

from nbmerge.statistics import Changes, measure_merge
from tests.statistics.formulas import cosine, distance, joined, recipes


def made(*rows, parents=("a", "b"), depth=2) -> Changes:
    """Changes of hand-made one-element tensors: (tensor, layer, kind, parent, merged, parent's)."""
    sums = [(*r[:4], r[4] ** 2, r[4] * r[5], r[5] ** 2, (r[4] - r[5]) ** 2) for r in rows]
    frame = pd.DataFrame(sums, columns=["tensor", "layer", "kind", "parent", "mm", "mp", "pp", "dd"])
    return Changes(frame.astype({"layer": "Int64"}), parents, depth)


SMALL = made(
    ("e", None, "embedding", "a", 1.0, 2.0),
    ("q", 0, "attention", "a", 3.0, 4.0),
    ("q", 0, "attention", "b", 3.0, 1.0),
    ("k", 0, "attention", "a", 1.0, 3.0),
    ("u", 1, "mlp", "b", -2.0, 2.0),
)


def test_groups_are_added_up_before_the_ratio():
    assert SMALL.grid("a").loc[0, "attention"] == pytest.approx(math.sqrt((1 + 4) / (16 + 9)))
    assert SMALL.grid("a", "cosine").loc[0, "attention"] == pytest.approx((12 + 3) / math.sqrt(10 * 25))
    assert SMALL.by_layer().loc[1, "b"] == pytest.approx(2.0)
    assert SMALL.total("a") == pytest.approx(math.sqrt((1 + 1 + 4) / (4 + 16 + 9)))
    assert SMALL.total("b", "cosine") == pytest.approx((3 - 4) / math.sqrt((9 + 4) * (1 + 4)))


def test_shapes_and_blanks():
    grid = SMALL.grid("b")
    assert (list(grid.index), list(grid.columns)) == ([0, 1], ["attention", "mlp"])
    assert grid.isna().to_numpy().tolist() == [[False, True], [True, False]]
    assert SMALL.by_layer().isna().to_numpy().tolist() == [[False, False], [True, False]]
    assert SMALL.outside("a").to_dict() == {"embedding": 0.5}
    assert math.isnan(SMALL.outside("b")["embedding"])
    assert math.isnan(made(parents=("a",)).total("a"))


def test_the_table_has_a_row_per_tensor_and_columns_per_parent():
    table = SMALL.table.set_index("tensor")
    assert list(table.index) == ["e", "q", "k", "u"]
    assert list(table.columns) == ["layer", "kind", "distance[a]", "distance[b]", "cosine[a]", "cosine[b]"]
    assert table.loc["q", "distance[a]"] == pytest.approx(0.25)
    assert table.loc["u", "cosine[b]"] == -1
    assert math.isnan(table.loc["k", "distance[b]"])


@pytest.mark.parametrize(
    ("merged", "parent", "distance", "cosine"),
    [
        (0.0, 0.0, 0.0, 1.0),
        (2.0, 0.0, math.inf, math.nan),
        (0.0, 2.0, 1.0, math.nan),
        (math.nan, 1.0, math.nan, math.nan),
    ],
)
def test_zeros_and_nan(merged, parent, distance, cosine):
    found = made(("q", 0, "attention", "a", merged, parent))
    assert found.total("a") == pytest.approx(distance, nan_ok=True)
    assert found.total("a", "cosine") == pytest.approx(cosine, nan_ok=True)


def test_a_model_that_goes_in_twice_counts_twice():
    found = made(("q", 0, "attention", "a", 2.0, 1.0), ("q", 0, "attention", "a", 2.0, 3.0))
    assert found.table["distance[a]"].tolist() == pytest.approx([math.sqrt(2 / 10)])


def test_unknown_words_are_refused():
    with pytest.raises(ValueError, match=r"'c' is not a parent of this merge\. Parents: a, b"):
        SMALL.grid("c")
    with pytest.raises(ValueError, match="'distance' or 'cosine'"):
        SMALL.by_layer("angle")


def test_names_are_escaped_in_html():
    found = made(("q", 0, "attention", "<script>", 1.0, 1.0), parents=("<script>",))
    assert "<script>" not in found._repr_html_()
    assert "&lt;script&gt;" in found._repr_html_()


def test_a_real_merge_by_plain_formulas(family, tmp_path):
    from nbmerge.engine.merge import merge

    recipe = recipes(family)["task arithmetic"]
    out = merge(recipe, tmp_path / "out").path
    found = measure_merge(recipe)
    for what, formula in (("distance", distance), ("cosine", cosine)):
        for parent in (family.base, family.ft1, family.ft2):
            name = parent.name
            assert found.total(name, what) == pytest.approx(formula(joined(out), joined(parent)), rel=1e-9)
            layer = formula(joined(out, "layers.1."), joined(parent, "layers.1."))
            assert found.by_layer(what).loc[1, name] == pytest.approx(layer, rel=1e-9)
            mlp = formula(joined(out, "layers.2.mlp"), joined(parent, "layers.2.mlp"))
            assert found.grid(name, what).loc[2, "mlp"] == pytest.approx(mlp, rel=1e-9)
            head = formula(joined(out, "lm_head"), joined(parent, "lm_head"))
            assert found.outside(name, what)["head"] == pytest.approx(head, rel=1e-9)
