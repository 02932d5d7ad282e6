"""What every method says about itself, for menus, checks and documentation."""

import pytest

from nbmerge.methods import (
    IGNORED,
    REQUIRED,
    Combination,
    Elementwise,
    Method,
    Parameter,
    Values,
    methods,
    parameter_names,
)

ALL = methods()


def test_the_basic_methods_are_registered():
    assert {"linear", "slerp", "task_arithmetic", "ties", "dare_linear", "dare_ties", "passthrough"} <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_every_method_explains_itself(name):
    method = ALL[name]
    assert method.name == name
    assert isinstance(method, Combination | Elementwise)
    assert method.title
    assert method.words.count(".") >= 2  # two sentences
    assert method.words[-1] == "."
    assert method.reference
    assert method.formula.count("{") == method.formula.count("}")
    assert "$" not in method.formula
    least, most = method.inputs
    assert 1 <= least <= (most or least)


@pytest.mark.parametrize("name", ALL)
def test_every_parameter_explains_itself(name):
    for p in ALL[name].parameters:
        assert p.help
        assert p.range
        assert ALL[name].parameter(p.name) is p
        if p.default is not REQUIRED:
            assert p.fault(p.default) is None
        low, high = p.slider
        assert low < high
        if p.kind == "number":
            assert p.fault(low) is None
            assert p.fault(high) is None
    assert ALL[name].parameter("no such") is None


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        (Parameter("x", "."), [0, -5, 1e30], ["a", True, False]),
        (Parameter("x", ".", low=0, high=1), [0, 0.5, 1], [-0.001, 1.001]),
        (Parameter("x", ".", low=1), [1, 100], [0.5]),
        (Parameter("x", ".", kind="flag"), [True, False], ["true", 0.5, 2]),
        (Parameter("x", ".", kind=("a", "b")), ["a", "b"], ["c", 1, True]),
    ],
)
def test_ranges(parameter, good, bad):
    assert [parameter.fault(v) for v in good] == [None] * len(good)
    for value in bad:
        assert parameter.fault(value).startswith("x ")


def test_names_of_all_parameters():
    assert {"weight", "t", "density", "lambda", "normalize", "scale"} <= parameter_names()
    assert not parameter_names() & set(IGNORED)


def test_a_method_of_neither_shape_cannot_run():
    bare = Method(name="bare", title="Bare", words="", formula="", reference="")
    with pytest.raises(TypeError, match="'bare' must be a Combination or an Elementwise"):
        bare.resolve(Values({}, {}))
