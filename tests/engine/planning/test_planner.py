"""From recipe to plan: which inputs, which numbers for every layer, and who decided."""

import pytest

from nbmerge.engine.planning.planner import plan
from nbmerge.methods import methods
from tests.engine.planning.recipes import EMBED, HEAD, NORM, UP, Q, errors, recipe, sliced, t_of
from tests.models import make_model

# --- what is in a plan ---


def test_every_tensor_is_there_once_in_the_order_of_the_model(family):
    p = plan(recipe("linear", family.base, family.ft1, parameters={"weight": 1}))
    names = [t.name for t in p.tensors]
    assert len(names) == len(set(names)) == 30
    assert names[0] == EMBED
    assert names[-2:] == [NORM, HEAD]
    assert [t.layer for t in p.tensors[1:-2]] == [i for i in range(3) for _ in range(9)]
    assert (p.depth, p.parents, p.parameters) == (3, ("base", "ft1"), sum(t.count for t in p.tensors))
    assert p.bytes_written == 4 * p.parameters


def test_inputs_come_with_the_base_first(family):
    p = plan(
        recipe(
            "task_arithmetic", (family.ft1, {"weight": 1}), family.base, (family.ft2, {"weight": 2}), base=family.base
        )
    )
    tensor = p[UP.format(0)]
    assert tensor.models == ("base", "ft1", "ft2")
    assert [i.file.parent for i in tensor.inputs] == [family.base, family.ft1, family.ft2]
    assert tensor.values.each["weight"] == (None, 1, 2)


def test_a_base_that_is_not_listed_is_added(family):
    p = plan(recipe("ties", (family.ft1, {"weight": 1}), base=family.base))
    assert p[EMBED].models == ("base", "ft1")
    assert p.donor == p.recipe.base_model


BASED = [m.name for m in methods().values() if m.base == "required" and m.inputs[1] is None]


@pytest.mark.parametrize("name", BASED)
def test_a_base_alone_is_the_result_where_the_formula_adds_to_it(name, family):
    r = recipe(name, family.base, base=family.base)
    if methods()[name].inputs[0] > 1:
        assert "the base model included; here are 1" in errors(r)
        return
    p = plan(r)
    assert {t.method for t in p.tensors} == {"passthrough"}
    assert [x.severity for x in p.problems if "nothing is merged into the base model" in x.what] == ["warning"]


def test_methods_that_compare_models_with_each_other_need_two():
    assert {n for n in BASED if methods()[n].inputs[0] > 1} == {"model_stock", "consensus"}


def test_models_of_equal_name_are_distinguished(tmp_path):
    one, two = make_model(tmp_path / "x" / "model"), make_model(tmp_path / "y" / "model", seed=1)
    p = plan(recipe("linear", one, two, parameters={"weight": 1}))
    assert len(set(p[EMBED].models)) == 2
    assert {c for c in p.values().columns if c.startswith("weight[")} == {f"weight[{m}]" for m in p[EMBED].models}


def test_the_table_has_a_row_for_every_tensor(family):
    table = plan(recipe("linear", (family.base, {"weight": [0, 1]}), (family.ft1, {"weight": 1}))).values()
    assert len(table) == 30
    layers = table[table.tensor.str.endswith("up_proj.weight")]
    assert layers["weight[base]"].tolist() == [0, 0.5, 1]
    assert layers["layer"].tolist() == [0, 1, 2]
    assert "models[0].parameters.weight" in layers["decided by"].iloc[0]


def test_kinds_are_those_of_the_layout(family):
    p = plan(recipe("linear", family.base, parameters={"weight": 1}))
    assert [p[n].kind for n in (EMBED, NORM, HEAD, UP.format(1), Q.format(1))] == [
        "embedding", "final norm", "head", "mlp", "attention",
    ]  # fmt: skip


def test_nothing_is_read_but_headers(tmp_path):
    folder = make_model(tmp_path / "x")
    file = folder / "model.safetensors"
    header = 8 + int.from_bytes(file.read_bytes()[:8], "little")
    size = file.stat().st_size
    with open(file, "r+b") as f:  # all weights become zeros that were never written
        f.truncate(header)
        f.truncate(size)
    assert plan(recipe("linear", folder, parameters={"weight": 1})).depth == 3


# --- gradients over layers ---


def test_a_gradient_over_the_whole_model(deep_family):
    p = plan(recipe("slerp", deep_family.base, deep_family.ft1, parameters={"t": [1, 0.7, 0.1]}))
    assert [t_of(p, UP.format(i)) for i in range(6)] == pytest.approx([1, 0.88, 0.76, 0.58, 0.34, 0.1])
    assert t_of(p, EMBED) == 1  # the first value
    assert (t_of(p, NORM), t_of(p, HEAD)) == (0.1, 0.1)  # the last


def test_filters_reach_the_ends_on_their_own(deep_family):
    rules = [
        {"filter": "embed", "value": 0.9},
        {"filter": "model.norm", "value": 0.8},
        {"filter": "lm_head", "value": 0.7},
    ]
    p = plan(recipe("slerp", deep_family.base, deep_family.ft1, parameters={"t": [*rules, {"value": [0, 1]}]}))
    assert (t_of(p, EMBED), t_of(p, NORM), t_of(p, HEAD)) == (0.9, 0.8, 0.7)
    assert [t_of(p, UP.format(i)) for i in range(6)] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])


def test_attention_and_mlp_may_have_curves_of_their_own(deep_family):
    rules = [
        {"filter": "self_attn", "value": [0, 0.5, 0.3, 0.7, 1]},
        {"filter": "mlp", "value": [1, 0]},
        {"value": 0.5},
    ]
    p = plan(recipe("slerp", deep_family.base, deep_family.ft1, parameters={"t": rules}))
    assert [t_of(p, Q.format(i)) for i in range(6)] == pytest.approx([0, 0.4, 0.38, 0.46, 0.76, 1])
    assert [t_of(p, UP.format(i)) for i in range(6)] == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0])
    assert t_of(p, "model.layers.3.input_layernorm.weight") == 0.5


def test_a_gradient_restarts_in_every_slice(deep_family):
    a, b = deep_family.base, deep_family.ft1
    p = plan(sliced("slerp", [(a, 0, 3), (b, 0, 3)], [(a, 3, 6), (b, 3, 6)], parameters={"t": [0.2, 0.4]}))
    assert [t_of(p, UP.format(i)) for i in range(6)] == pytest.approx([0.2, 0.3, 0.4] * 2)
    assert (t_of(p, EMBED), t_of(p, HEAD)) == (0.2, 0.4)


def test_a_slice_of_one_layer_takes_the_last_value(deep_family):
    a, b = deep_family.base, deep_family.ft1
    p = plan(sliced("slerp", [(a, 0, 1), (b, 0, 1)], [(a, 1, 6), (b, 1, 6)], parameters={"t": [0, 1]}))
    assert [t_of(p, UP.format(i)) for i in range(6)] == pytest.approx([1, 0, 0.25, 0.5, 0.75, 1])
    assert t_of(p, EMBED) == 0  # embeddings stand before the first layer, whatever its slice


# --- levels: source > slice > whole > default ---


def test_precedence(deep_family):
    a, b = deep_family.base, deep_family.ft1
    own = {"weight": [{"filter": "mlp", "value": 3}]}
    p = plan(
        sliced(
            "linear",
            [(a, 0, 3, own), (b, 0, 3), {"weight": [{"filter": "self_attn", "value": 2}]}],
            [(a, 3, 6), (b, 3, 6)],
            parameters={"weight": 1},
        )
    )
    assert p[UP.format(0)].values.each["weight"] == (3, 1)  # the source's filter; the other falls to the whole
    assert p[Q.format(0)].values.each["weight"] == (2, 2)  # the slice
    assert p["model.layers.0.input_layernorm.weight"].values.each["weight"] == (1, 1)  # the whole
    assert p[UP.format(3)].values.each["weight"] == (1, 1)
    assert p[UP.format(0)].values["normalize"] is True  # the default


def test_the_place_that_decided_is_recorded(deep_family):
    a, b = deep_family.base, deep_family.ft1
    slices = [
        (a, 0, 3, {"weight": 3}),
        (b, 0, 3),
        {"weight": [{"filter": "mlp", "value": 2}, {"filter": "attn", "value": 4}]},
    ]
    p = plan(sliced("linear", slices, [(a, 3, 6), (b, 3, 6)], parameters={"weight": 1}))
    decided = p[Q.format(1)].decided
    assert decided["weight[base]"] == ("slices", 0, "sources", 0, "parameters", "weight")
    assert decided["weight[ft1]"] == ("slices", 0, "parameters", "weight", 1)
    assert p["model.layers.4.input_layernorm.weight"].decided["weight[ft1]"] == ("parameters", "weight")
    assert "normalize" not in decided  # its default


def test_parameters_of_a_model_see_its_own_layer_numbers(deep_family):
    a, b = deep_family.base, deep_family.ft1
    per_model = {"weight": [{"filter": "layers.4.", "value": 9}, {"value": 1}]}
    p = plan(sliced("linear", [(a, 0, 3, per_model), (b, 3, 6, per_model)]))
    assert p[UP.format(1)].values.each["weight"] == (1, 9)
    assert p[UP.format(2)].values.each["weight"] == (1, 1)


def test_parameters_of_the_whole_see_the_layer_numbers_of_the_output(deep_family):
    a, b = deep_family.base, deep_family.ft1
    t = [{"filter": "layers.1.", "value": 0.9}, {"value": 0.1}]
    p = plan(sliced("slerp", [(a, 3, 6), (b, 3, 6)], [(a, 0, 3), (b, 0, 3)], parameters={"t": t}))
    assert [t_of(p, UP.format(i)) for i in range(6)] == [0.1, 0.9, 0.1, 0.1, 0.1, 0.1]


# --- slices ---


def test_layers_are_stacked_and_renumbered(deep_family):
    p = plan(sliced("passthrough", [(deep_family.base, 0, 4)], [(deep_family.ft1, 2, 6)], [(deep_family.base, 5, 6)]))
    assert p.depth == 9
    sources = [(p[UP.format(i)].models[0], p[UP.format(i)].inputs[0].name) for i in range(9)]
    expected = [("base", i) for i in range(4)] + [("ft1", i) for i in range(2, 6)] + [("base", 5)]
    assert sources == [(label, UP.format(i)) for label, i in expected]
    assert p[EMBED].models == ("base",)
    assert p[HEAD].models == ("base",)
    assert p.config["num_hidden_layers"] == 9


def test_a_layer_used_twice_has_its_own_values(deep_family):
    a = deep_family.base
    p = plan(sliced("passthrough", [(a, 0, 2, {"scale": 0.5})], [(a, 0, 2, {"scale": 0.8})]))
    assert [p[UP.format(i)].values.each["scale"] for i in range(4)] == [(0.5,), (0.5,), (0.8,), (0.8,)]


def test_the_base_is_an_input_of_every_slice(deep_family):
    p = plan(
        sliced("task_arithmetic", [(deep_family.ft1, 1, 3)], base_model=str(deep_family.base), parameters={"weight": 1})
    )
    assert [i.name for i in p[UP.format(0)].inputs] == [UP.format(1)] * 2
    assert p[UP.format(0)].models == ("base", "ft1")


# --- other shapes of model ---


def test_gpt2(tmp_path):
    one = make_model(tmp_path / "one", architecture="gpt2")
    two = make_model(tmp_path / "two", base=one, seed=1)
    p = plan(recipe("slerp", one, two, parameters={"t": [0, 1]}))
    assert t_of(p, "transformer.wte.weight") == 0
    assert t_of(p, "transformer.wpe.weight") == 0
    assert t_of(p, "transformer.ln_f.bias") == 1
    assert [t_of(p, f"transformer.h.{i}.attn.c_attn.bias") for i in range(3)] == [0, 0.5, 1]
    assert p.config["n_layer"] == 3


def test_one_layer_models(tmp_path):
    one, two = (make_model(tmp_path / str(i), layers=1, seed=i) for i in (0, 1))
    p = plan(recipe("slerp", one, two, parameters={"t": [0.2, 0.8]}))
    assert (t_of(p, EMBED), t_of(p, UP.format(0)), t_of(p, HEAD)) == (0.2, 0.8, 0.8)


def test_models_without_layers(tmp_path):
    replace = {f"model.layers.0.{n}": None for n in (
        "input_layernorm.weight", "self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight",
        "self_attn.o_proj.weight", "post_attention_layernorm.weight", "mlp.gate_proj.weight", "mlp.up_proj.weight",
        "mlp.down_proj.weight")}  # fmt: skip
    one, two = (make_model(tmp_path / str(i), layers=1, seed=i, replace=replace) for i in (0, 1))
    p = plan(recipe("linear", one, two, parameters={"weight": [2, 1]}))
    assert p.depth == 0
    assert (p[EMBED].values.each["weight"], p[HEAD].values.each["weight"]) == ((2, 2), (1, 1))
