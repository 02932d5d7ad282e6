"""Where matrices are inside of what transformers stacked: found by their bytes, and only if there is no doubt."""

import torch

from nbmerge.engine.live.stacked_parameters import find_places


def layer(number, experts=3, dtype=torch.bfloat16):
    """The experts of a layer by name, and the two parameters that transformers makes of them."""
    own = [
        {k: torch.randn(*s).to(dtype) for k, s in (("w1", (6, 4)), ("w3", (6, 4)), ("w2", (4, 6)))}
        for _ in range(experts)
    ]
    named = {
        f"model.layers.{number}.moe.experts.{e}.{k}.weight": w for e, one in enumerate(own) for k, w in one.items()
    }
    joined = torch.stack([torch.cat([one["w1"], one["w3"]]) for one in own])
    down = torch.stack([one["w2"] for one in own])
    prefix = f"model.layers.{number}.mlp.experts."
    return named, {f"{prefix}gate_up_proj": joined, f"{prefix}down_proj": down}


def test_every_expert_is_found_in_its_layer_and_shares_its_memory():
    (first, one), (second, two) = layer(0), layer(11)
    found = find_places(first | second, (one | two).items())
    assert found.keys() == (first | second).keys()
    for name, place in found.items():
        assert torch.equal(place, (first | second)[name])
        place.fill_(3)
    assert all((parameter == 3).all() for parameter in (one | two).values())


def test_what_is_there_twice_in_other_order_or_dtype_is_left_out():
    named, parameters = layer(0)
    name = "model.layers.0.moe.experts.0.w1.weight"
    assert find_places({name: named[name].T.contiguous()}, parameters.items()) == {}
    assert find_places({name: named[name].float()}, parameters.items()) == {}
    assert find_places({name.replace(".0.", ".1.", 1): named[name]}, parameters.items()) == {}
    parameters["model.layers.0.mlp.experts.gate_up_proj"][2, :6] = named[name]
    assert name not in find_places(named, parameters.items())
    assert len(find_places(named, parameters.items())) == len(named) - 2  # and what was written over
