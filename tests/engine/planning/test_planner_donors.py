"""Plans: tensors from donors, tied models, vocabularies and dtypes."""

import pytest
import torch

from nbmerge.engine.planning.planner import examine, plan
from tests.engine.planning.recipes import EMBED, HEAD, NORM, UP, errors, recipe
from tests.models import make_model

# --- donors ---


def test_donors_give_single_roles(family):
    p = plan(recipe("linear", family.base, family.ft1, parameters={"weight": 1}, embedding_source=str(family.ft2),
                    lm_head_source=str(family.ft1), final_norm_source=str(family.base)))  # fmt: skip
    assert [(p[n].models, p[n].method) for n in (EMBED, HEAD, NORM)] == [
        (("ft2",), "passthrough"), (("ft1",), "passthrough"), (("base",), "passthrough"),
    ]  # fmt: skip
    assert p[UP.format(0)].models == ("base", "ft1")


def test_config_comes_from_its_donor_else_the_base_else_the_first_named(family):
    def donor(**more):
        models = (family.ft1, {"weight": 1}), (family.ft2, {"weight": 1})
        return plan(recipe("linear", *models, **more)).donor.name

    assert donor() == "ft1"
    assert donor(base=family.base) == "base"
    assert donor(base=family.base, config_source=str(family.ft2)) == "ft2"


def test_donors_solve_vocabularies_of_different_size(tmp_path, family):
    larger = make_model(tmp_path / "larger", vocab=40, tokenizer=False)  # whose tokens nobody knows
    r = recipe("linear", family.base, larger, parameters={"weight": 1})
    assert "vocabularies of different size" in errors(r)
    assert "embedding_source" in errors(r)
    mended = r.replace(embedding_source=str(larger), lm_head_source=str(larger), config_source=str(larger))
    p = plan(mended)
    assert (p[EMBED].shape, p[HEAD].shape, p.config["vocab_size"]) == ((40, 16), (40, 16), 40)


def test_a_tokenizer_that_does_not_fit_the_rows_is_warned_of(tmp_path, family):
    larger = make_model(tmp_path / "larger", vocab=40)
    donors = {"embedding_source": str(larger), "lm_head_source": str(larger)}
    p = plan(recipe("linear", family.base, family.ft1, parameters={"weight": 1}, **donors))
    assert any("config_source" in str(x) and x.severity == "warning" for x in p.problems)
    assert p.config["vocab_size"] == 40


# --- tied models ---


@pytest.fixture(scope="module")
def tied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tied")
    one = make_model(folder / "tied1", tied=True)
    return one, make_model(folder / "tied2", base=one, seed=1)


def test_tied_models_stay_tied(tied):
    p = plan(recipe("linear", *tied, parameters={"weight": 1}))
    assert HEAD not in [t.name for t in p.tensors]
    assert p.config["tie_word_embeddings"] is True


def test_tied_and_untied_give_a_head_of_its_own(tied, family):
    for models in ((tied[0], family.ft1), (family.ft1, tied[0])):
        p = plan(recipe("linear", *models, parameters={"weight": 1}))
        names = {label: stored.name for label, stored in zip(p[HEAD].models, p[HEAD].inputs, strict=True)}
        assert names == {"tied1": EMBED, "ft1": HEAD}
        assert p.config["tie_word_embeddings"] is False
        assert any("a separate head" in str(x) for x in p.problems)


def test_a_tied_head_may_be_given_to_others(tied, family):
    p = plan(recipe("linear", family.base, family.ft1, parameters={"weight": 1}, lm_head_source=str(tied[0])))
    assert (p[HEAD].models, p[HEAD].inputs[0].name) == (("tied1",), EMBED)
    assert p.config["tie_word_embeddings"] is False


def test_embedding_and_head_of_one_tied_model_make_the_result_tied(tied, family):
    donors = {"embedding_source": str(tied[0]), "lm_head_source": str(tied[0])}
    p = plan(recipe("linear", family.base, family.ft1, parameters={"weight": 1}, **donors))
    heads = [t for t in p.tensors if t.kind == "head"]
    assert p.config["tie_word_embeddings"] is (not heads)  # a head is written, or the config says there is none


# --- dtypes ---


@pytest.mark.parametrize(
    ("stored", "more", "expected"),
    [
        (("float32", "float32"), {}, "float32"),
        (("bfloat16", "bfloat16"), {}, "bfloat16"),
        (("float16", "bfloat16"), {}, "float32"),
        (("float32", "float16"), {}, "float32"),
        (("float64", "bfloat16"), {}, "float64"),
        (("float32", "float32"), {"dtype": "bfloat16"}, "bfloat16"),
        (("float32", "float32"), {"dtype": "float32", "out_dtype": "float16"}, "float16"),
        (("bfloat16", "bfloat16"), {"out_dtype": "float32"}, "float32"),
    ],
)
def test_the_dtype_of_the_result(tmp_path, stored, more, expected):
    models = [make_model(tmp_path / str(i), dtype=d, seed=i, layers=1) for i, d in enumerate(stored)]
    p = plan(recipe("linear", *models, parameters={"weight": 1}, **more))
    assert {t.dtype for t in p.tensors} == {expected}
    assert p.config.get("dtype", p.config.get("torch_dtype")) == expected


def test_dtypes_of_single_tensors(family):
    overrides = [{"filter": "norm", "dtype": "float32"}, {"filter": "layers.0.", "dtype": "float16"}]
    p = plan(recipe("linear", family.base, parameters={"weight": 1}, dtype="bfloat16", dtype_overrides=overrides))
    assert [p[n].dtype for n in (NORM, UP.format(0), UP.format(1))] == ["float32", "float16", "bfloat16"]
    assert p["model.layers.0.input_layernorm.weight"].dtype == "float32"  # the first match
    assert p.config.get("dtype", p.config.get("torch_dtype")) == "bfloat16"


@pytest.mark.parametrize("kind", [torch.int64, torch.bool, torch.uint8])
def test_buffers_of_whole_numbers_are_copied(tmp_path, kind):
    extra = {"model.layers.0.self_attn.mask": torch.ones(4, dtype=kind)}
    one, two = (make_model(tmp_path / str(i), seed=i, replace=extra) for i in (0, 1))
    p = plan(recipe("linear", one, two, parameters={"weight": 1}, dtype="bfloat16"))
    copied = p["model.layers.0.self_attn.mask"]
    assert (copied.method, copied.models, copied.dtype) == ("passthrough", ("0",), str(kind).removeprefix("torch."))


def test_derived_buffers_are_copied_even_where_some_models_lack_them(tmp_path, family):
    name = "model.layers.0.self_attn.rotary_emb.inv_freq"
    old = make_model(tmp_path / "old", replace={name: torch.ones(2)})
    for models in ((family.base, old), (old, family.base)):
        p = plan(recipe("linear", *models, parameters={"weight": 1}))
        assert (p[name].method, p[name].models) == ("passthrough", ("old",))


def test_eight_bit_weights_are_not_copied_silently(tmp_path):
    name = UP.format(0)
    models = []
    for i in (0, 1):
        small = torch.full((24, 16), float(i)).to(torch.float8_e4m3fn)
        models.append(make_model(tmp_path / str(i), seed=i, replace={name: small}))
    made, found = examine(recipe("linear", *models, parameters={"weight": 1}))
    assert made is None or any(p.severity in ("error", "warning") for p in found)
    assert any("float8" in str(p) or name in str(p) for p in found)
