from nbmerge.engine.planning import examine
from nbmerge.methods import methods
from nbmerge.widgets.panels.completions import HELP, list_keys, list_words


def test_every_key_of_a_recipe_has_a_description_and_no_other():
    assert {key for keys in list_keys().values() for key in keys} == HELP.keys()
    assert max(map(len, HELP.values())) <= 42


def test_methods_with_their_parameters_and_ranges():
    words = list_words(None)
    assert [m["name"] for m in words["methods"]] == list(methods())
    ties = next(m for m in words["methods"] if m["name"] == "ties")
    density = next(p for p in ties["parameters"] if p["name"] == "density")
    assert ties["title"] == methods()["ties"].title
    assert (density["range"], density["each"], density["default"], density["choices"]) == ("0 to 1", True, "1", [])
    flags = [p for m in words["methods"] for p in m["parameters"] if p["choices"] == ["true", "false"]]
    assert flags
    assert words["values"]["rows"] == ["method", "owners"]


def test_models_and_filters_are_those_of_the_recipe(recipe):
    plan, _ = examine(recipe)
    words = list_words(recipe, plan)
    assert words["models"] == [str(r) for r in recipe.references]
    assert {"self_attn", "mlp", "q_proj", "embed_tokens"} <= set(words["values"]["filter"])
    assert not {"model", "layers", "0", "weight"} & set(words["values"]["filter"])
