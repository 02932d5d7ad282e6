"""Coefficients are those that the merged tensors have."""

import math

import pytest

from nbmerge.errors import ArgumentError
from nbmerge.statistics.structure import measure_coefficients
from tests.models import make_model, read_tensors
from tests.statistics.formulas import cosine

UP, DOWN = "model.layers.1.mlp.up_proj.weight", "model.layers.1.mlp.down_proj.weight"


def test_angles_and_lines_of_slerp(family, tmp_path):
    """A tensor that is equal in both models is parallel, so slerp takes the straight line."""
    other = make_model(tmp_path / "other", base=family.ft1, seed=5, replace={DOWN: read_tensors(family.ft1)[DOWN]})
    recipe = {"merge_method": "slerp", "models": [str(family.ft1), str(other)], "parameters": {"t": 0.3}}
    found = measure_coefficients(recipe)
    table = found.table.set_index("tensor")
    a, b = (read_tensors(m)[UP] for m in (family.ft1, other))
    angle = math.acos(cosine(a, b))
    assert table.loc[UP, "angle"] == pytest.approx(math.degrees(angle), rel=1e-4)
    expected = [math.sin(0.7 * angle) / math.sin(angle), math.sin(0.3 * angle) / math.sin(angle)]
    assert table.loc[UP, ["coefficient[ft1]", "coefficient[other]"]].tolist() == pytest.approx(expected, rel=1e-4)
    assert table.loc[DOWN, ["coefficient[ft1]", "coefficient[other]"]].tolist() == pytest.approx([0.7, 0.3])
    assert table.loc[DOWN, "note"] == "nearly parallel, interpolated linearly"
    assert found.notes["nearly parallel, interpolated linearly"] >= 1
    part = found.by_part.query("layer == 1 and kind == 'mlp'").iloc[0]
    assert part["special"] == pytest.approx(
        sum(table.loc[n, "note"] != "" for n in table.index if "layers.1.mlp" in n) / 3
    )
    titles = [axes.get_title(loc="left") for axes in found.plot().axes]
    assert "angle between the models, degrees" in titles


def test_gradients_and_normalisation(family):
    base, one, two = map(str, (family.base, family.ft1, family.ft2))
    weighted = [{"model": one, "parameters": {"weight": [0, 0.5, 1]}}, {"model": two, "parameters": {"weight": 0.5}}]
    linear = measure_coefficients({"merge_method": "linear", "models": weighted}).table.set_index("tensor")
    assert linear.loc[UP, ["coefficient[ft1]", "coefficient[ft2]"]].tolist() == [0.5, 0.5]
    arithmetic = measure_coefficients({"merge_method": "task_arithmetic", "base_model": base, "models": weighted})
    assert arithmetic.table.set_index("tensor").loc[UP, "coefficient[base]"] == 0.0
    assert "of the merge" in arithmetic._repr_html_()


def test_methods_that_are_no_weighted_sum(family):
    base, one, two = map(str, (family.base, family.ft1, family.ft2))
    ties = measure_coefficients(
        {"merge_method": "ties", "base_model": base, "models": [one, two], "parameters": {"weight": 1.0}}
    )
    assert ties.table["coefficient[ft1]"].isna().all()
    with pytest.raises(ArgumentError, match="no coefficients"):
        ties.plot()
    assert "not a weighted sum" in ties._repr_html_()
