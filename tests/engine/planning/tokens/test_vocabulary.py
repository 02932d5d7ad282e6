"""Vocabularies that differ: recorded results of older programs, and every rule on small models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nbmerge.engine.check import check
from nbmerge.engine.merge import merge
from nbmerge.engine.planning.planner import plan
from nbmerge.engine.verify import verify
from nbmerge.recipe import Recipe
from tests.models import make_model
from tests.tokenizers.makers import letters, model, rows, save, train, with_added

CASES = Path(__file__).parents[3] / "tokenizers" / "cases" / "rows.safetensors"
EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"
ADDED = {"base": (), "ftx131": ("<|x0|>", "<|shared|>", "<|x1|>"), "fty130": ("<|shared|>", "<|y0|>")}


@pytest.fixture(scope="module")
def recorded():
    return load_file(CASES)


@pytest.fixture(scope="module")
def trio(tmp_path_factory, recorded):
    """Three models with 128, 131 and 130 tokens."""
    folder = tmp_path_factory.mktemp("trio")
    for name, added in ADDED.items():
        tensors = {EMBED: recorded[f"{name}/embedding"], HEAD: recorded[f"{name}/head"]}
        model(folder / name, letters(added), hidden=32, replace=tensors)
    return {name: str(folder / name) for name in ADDED}


def weighted(trio, weights, method="linear", base="base", **fields):
    models = [{"model": trio[m], "parameters": {"weight": w}} for m, w in weights.items()]
    return Recipe.of({"merge_method": method, "base_model": trio[base], "models": models, "dtype": "float32", **fields})


def slerp(trio, a, b, t=0.5, **fields):
    parameters = {"t": t, **fields.pop("parameters", {})}
    models = [trio[a], trio[b]]
    return Recipe.of(
        {
            "merge_method": "slerp",
            "base_model": trio[a],
            "models": models,
            "parameters": parameters,
            "dtype": "float32",
            **fields,
        }
    )


OWNERS = {"source": "union", "rows": "owners"}


def made(recipe, folder) -> Path:
    return merge(recipe, folder / "out", threads=1).path


def config(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text())


def tokens(folder: Path) -> dict[str, int]:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab(with_added_tokens=True)


class TestRecorded:
    """What mergekit (2024 and 0.1.5) and LLM-SLERP-Merge made of the same rows."""

    RECIPES = {
        "owners": lambda trio: weighted(trio, {"base": 0.5, "ftx131": 0.3, "fty130": 0.2}, tokenizer=OWNERS),
        "owners-of-ties": lambda trio: weighted(
            trio,
            {"base": 0.2, "ftx131": 0.5, "fty130": 0.3},
            "ties",
            tokenizer=OWNERS,
            parameters={"density": 0.5},
        ),
        "slerp": lambda trio: slerp(trio, "base", "ftx131", 0.4, tokenizer=OWNERS, parameters={"embed_slerp": True}),
        "filled": lambda trio: weighted(
            trio, {"base": 0.5, "ftx131": 0.3, "fty130": 0.2}, tokenizer={"source": "union"}
        ),
        "filled-slerp": lambda trio: slerp(trio, "base", "ftx131", 0.4, tokenizer={"source": "union"}),
        "zeros": lambda trio: slerp(trio, "base", "ftx131", vocabulary="zeros"),
    }

    @pytest.mark.parametrize("name", RECIPES)
    def test_embedding_and_head(self, name, trio, recorded, tmp_path):
        out = made(self.RECIPES[name](trio), tmp_path)
        for role, tensor in (("embedding", EMBED), ("head", HEAD)):
            torch.testing.assert_close(rows(out, tensor), recorded[f"{name}/{role}"], rtol=0, atol=3e-7)
        assert config(out)["vocab_size"] == len(recorded[f"{name}/head"]) == len(tokens(out))
        assert verify(out, derive=True)

    @pytest.mark.parametrize("name", ["owners", "owners-of-ties"])
    def test_as_they_were_written_in_2024_and_in_the_dialect_of_then(self, name, trio):
        recipe = self.RECIPES[name](trio)
        old = {k: v for k, v in recipe.plain().items() if k != "tokenizer"} | {"tokenizer_source": "union"}
        assert Recipe.load(old, "mergekit-0.0") == recipe != Recipe.load(old)


class TestOrderOfTokens:
    def test_the_base_first_then_the_others_in_the_order_named(self, trio, tmp_path):
        recipe = weighted(
            trio, {"fty130": 0.5, "ftx131": 0.5}, base="base", tokenizer={"source": "union"}, method="task_arithmetic"
        )
        named = [t for t, i in sorted(tokens(made(recipe, tmp_path)).items(), key=lambda x: x[1]) if i >= 128]
        assert named == ["<|shared|>", "<|y0|>", "<|x0|>", "<|x1|>"]

    @pytest.mark.parametrize(
        ("source", "count"), [("base", 128), ("model:{ftx131}", 131), ("{fty130}", 130), ("union", 132)]
    )
    def test_sources(self, trio, tmp_path, source, count):
        recipe = weighted(trio, {"base": 0.5, "ftx131": 0.3, "fty130": 0.2}, tokenizer_source=source.format(**trio))
        out = made(recipe, tmp_path)
        assert len(rows(out)) == len(rows(out, HEAD)) == config(out)["vocab_size"] == len(tokens(out)) == count

    def test_a_tokenizer_from_a_model_that_is_not_merged(self, trio, tmp_path):
        recipe = weighted(
            {**trio, "base": trio["ftx131"]}, {"base": 0.5, "ftx131": 0.5}, tokenizer={"source": trio["fty130"]}
        )
        recipe = recipe.replace(models=[trio["ftx131"], trio["ftx131"]], parameters={"weight": 1.0})
        out = rows(made(recipe, tmp_path))
        theirs = rows(Path(trio["ftx131"]))
        assert torch.equal(out[:128], theirs[:128])
        assert torch.equal(out[128], theirs[129])
        assert out[129].abs().sum() > 0  # <|y0|>, which nobody owns, is not zero


class TestWeights:
    def test_a_base_without_a_weight_is_refused_with_the_way_out(self, trio):
        recipe = weighted(trio, {"ftx131": 1.0, "fty130": 0.5}, "task_arithmetic", tokenizer=OWNERS)
        problems = check(recipe).problems
        assert "base has none" in str(problems[0])
        assert "leave 'rows' out" in str(problems[0])

    def test_slerp_takes_its_ends_shares(self, trio, tmp_path):
        out = rows(made(slerp(trio, "base", "ftx131", 0.25, tokenizer=OWNERS), tmp_path))
        a, b = rows(Path(trio["base"])), rows(Path(trio["ftx131"]))
        torch.testing.assert_close(out[:128], 0.75 * a + 0.25 * b[:128])
        assert torch.equal(out[128:], b[128:])

    def test_a_token_whose_only_owner_has_weight_zero_keeps_its_row(self, trio, tmp_path):
        out = rows(made(weighted(trio, {"base": 1.0, "ftx131": 0.0}, tokenizer=OWNERS), tmp_path))
        assert torch.equal(out[128:], rows(Path(trio["ftx131"]))[128:])


class TestTokenRules:
    def recipe(self, trio, rules, **fields):
        weights = {"base": 0.5, "ftx131": 0.25, "fty130": 0.25}
        return weighted(trio, weights, tokenizer={"source": "union", "tokens": rules, **fields})

    def test_sources_of_single_tokens(self, trio, tmp_path):
        rules = {
            "<|x0|>": {"source": {"kind": "zero"}, "force": True},
            "<|x1|>": {"source": {"kind": "model_token", "model": trio["fty130"], "token": "<|y0|>"}, "force": True},
            "<|shared|>": {"source": {"kind": "model_token", "model": trio["base"], "token_id": 7}},
            "<|new|>": {"source": {"kind": "model_token", "model": trio["base"], "token": "</s>"}},
            "<|y0|>": {"source": trio["fty130"]},
        }
        out = made(self.recipe(trio, rules), tmp_path)
        ids, got = tokens(out), rows(out)
        base, x, y = (rows(Path(trio[m])) for m in ADDED)
        assert got[ids["<|x0|>"]].abs().sum() == 0
        assert torch.equal(got[ids["<|x1|>"]], y[129])
        torch.testing.assert_close(got[ids["<|shared|>"]], 0.5 * base[7] + 0.25 * x[129] + 0.25 * y[128])
        assert torch.equal(got[ids["<|new|>"]], base[2])
        assert torch.equal(got[ids["<|y0|>"]], y[129])

    def test_padding_is_the_mean_row(self, trio, tmp_path):
        out = made(self.recipe(trio, {}, pad_to_multiple_of=50), tmp_path)
        got = rows(out)
        assert (len(got), config(out)["vocab_size"], len(tokens(out))) == (150, 150, 132)
        torch.testing.assert_close(got[132:], got[:132].mean(0).expand(18, -1), rtol=0, atol=1e-6)

    @pytest.mark.parametrize("source", [{"kind": "model_token", "model": "base", "token": "<|no|>"}, "base"])
    def test_a_token_that_a_model_lacks_is_refused(self, trio, source):
        source = {**source, "model": trio["base"]} if isinstance(source, dict) else trio["base"]
        assert "base has no token" in str(check(self.recipe(trio, {"<|x0|>": {"source": source}})))


class TestBySize:
    @pytest.mark.parametrize("pair", [("base", "ftx131"), ("ftx131", "base")])
    @pytest.mark.parametrize("mode", ["edge-gradient", "zeros", "copy", "mean", "truncate"])
    @pytest.mark.rest_is_slow(keep=6)
    def test_the_shorter_grows_in_whatever_place(self, trio, tmp_path, mode, pair):
        out = made(slerp(trio, *pair, t=float(pair[0] != "base"), vocabulary=mode), tmp_path)  # all of the short one
        got, short, long = rows(out), rows(Path(trio["base"])), rows(Path(trio["ftx131"]))
        assert torch.equal(got[:128], short)
        a, b = short[127], long[130]
        wanted = {
            "edge-gradient": torch.stack([a + (b - a) * (j / 4) for j in (1, 2, 3)]), "zeros": torch.zeros(3, 32), "copy": long[128:],
            "mean": short.mean(0).expand(3, -1), "truncate": torch.empty(0, 32),
        }[mode]  # fmt: skip
        torch.testing.assert_close(got[128:], wanted, rtol=1e-5, atol=1e-6)
        assert config(out)["vocab_size"] == len(got) == len(tokens(out))

    def test_without_a_rule_it_is_refused_with_the_ways_out(self, trio):
        text = str(check(slerp(trio, "base", "ftx131")).problems[0])
        assert all(way in text for way in ("tokenizer_source", "edge-gradient", "lm_head_source"))

    @pytest.mark.parametrize("pair", [("plain", "padded"), ("padded", "plain")])
    def test_rows_beyond_the_tokens_are_padding(self, tmp_path, pair):
        tokenizer = letters(("<|x|>",))
        models = {
            "plain": str(model(tmp_path / "plain", tokenizer)),
            "padded": str(model(tmp_path / "padded", tokenizer, padding=7, seed=1)),
        }
        recipe = slerp(models, *pair)
        assert check(recipe).ok
        out = made(recipe, tmp_path)
        assert len(rows(out)) == config(out)["vocab_size"] == 136
        assert rows(out)[129:].abs().sum(1).min() > 0

    def test_a_tokenizer_longer_than_the_rows_is_cut(self, trio, tmp_path):
        recipe = slerp(trio, "ftx131", "base", vocabulary="truncate", config_source=trio["ftx131"])
        out = made(recipe, tmp_path)
        assert len(tokens(out)) == len(rows(out)) == 128
        assert "left out of the tokenizer" in str(plan(recipe).problems)

    def test_equal_edges_stay_as_they_are(self, trio, tmp_path):
        row = rows(Path(trio["base"]))[127]
        other = make_model(
            tmp_path / "m", layers=1, hidden=32, vocab=133, replace={EMBED: row.expand(133, -1)}, tokenizer=False
        )
        recipe = slerp({**trio, "m": str(other)}, "base", "m", t=0, vocabulary="edge-gradient")
        got = rows(made(recipe, tmp_path))
        assert torch.equal(got[128:], row.expand(5, -1))


class TestShapesOfModels:
    def test_tied_models_stay_tied(self, tmp_path):
        models = {n: str(model(tmp_path / n, letters(a), tied=True, seed=i)) for i, (n, a) in enumerate(ADDED.items())}
        out = made(weighted(models, dict.fromkeys(models, 1.0), tokenizer=OWNERS), tmp_path)
        assert HEAD not in load_file(out / "model.safetensors")
        assert config(out)["tie_word_embeddings"] is True

    def test_one_tied_one_not(self, tmp_path):
        models = {
            n: str(model(tmp_path / n, letters(ADDED[n]), tied=n == "base", seed=i))
            for i, n in enumerate(("base", "ftx131"))
        }
        out = made(weighted(models, {"base": 0.5, "ftx131": 0.5}, tokenizer={"source": "union"}), tmp_path)
        torch.testing.assert_close(
            rows(out, HEAD)[:128], (rows(Path(models["base"])) + rows(Path(models["ftx131"]), HEAD)[:128]) / 2
        )
        assert torch.equal(rows(out, HEAD)[128:], rows(Path(models["ftx131"]), HEAD)[128:])

    @pytest.mark.unloadable("its models have a tensor that Llama does not have")
    def test_a_bias_of_the_head(self, tmp_path):
        models = {}
        for i, n in enumerate(("base", "ftx131")):
            bias = {"lm_head.bias": torch.arange(128.0 + len(ADDED[n])) + 1}
            models[n] = str(model(tmp_path / n, letters(ADDED[n]), seed=i, replace=bias))
        out = made(weighted(models, {"base": 0.5, "ftx131": 0.5}, tokenizer=OWNERS), tmp_path)
        assert torch.equal(rows(out, "lm_head.bias"), torch.arange(131.0) + 1)

    def test_layers_from_one_model_embeddings_from_another(self, trio, tmp_path):
        """Where older programs write a vocabulary that does not fit the rows."""
        recipe = Recipe.of({
            "merge_method": "passthrough", "tokenizer": OWNERS,
            "slices": [{"sources": [{"model": trio[m], "layer_range": [0, 1]}]} for m in ("base", "ftx131")],
        })  # fmt: skip
        out = made(recipe, tmp_path)
        assert len(rows(out)) == len(rows(out, HEAD)) == config(out)["vocab_size"] == 131
        assert torch.equal(rows(out)[128:], rows(Path(trio["ftx131"]))[128:])

    def test_donors_are_aligned_as_well(self, trio, tmp_path):
        recipe = weighted(
            trio, {"base": 0.5, "ftx131": 0.5}, tokenizer={"source": "union"}, embedding_source=trio["ftx131"]
        )
        assert torch.equal(rows(made(recipe, tmp_path)), rows(Path(trio["ftx131"])))

    def test_merges_that_feed_merges(self, trio, tmp_path):
        inner = {**weighted(trio, {"base": 0.5, "ftx131": 0.5}, tokenizer=OWNERS).plain(), "name": "inner"}
        outer = {
            "merge_method": "linear", "models": ["inner", trio["fty130"]], "parameters": {"weight": 1.0}, "merges": [inner],
            "tokenizer": {"source": "union"},
        }  # fmt: skip
        out = made(Recipe.of(outer), tmp_path)
        assert len(tokens(out)) == len(rows(out)) == 132
        assert torch.equal(rows(out)[131], rows(Path(trio["fty130"]))[129])

    def test_float16_rows_of_one_owner_keep_their_bits(self, tmp_path):
        models = {
            n: str(model(tmp_path / n, letters(a), dtype="bfloat16", seed=i)) for i, (n, a) in enumerate(ADDED.items())
        }
        recipe = weighted(models, {"base": 0.5, "ftx131": 0.3, "fty130": 0.2}, tokenizer=OWNERS).replace(dtype=None)
        out = rows(made(recipe, tmp_path))
        assert out.dtype == torch.bfloat16
        assert torch.equal(out[[128, 130]], rows(Path(models["ftx131"]))[[128, 130]])


class TestWhatFollowsTheVocabulary:
    def models(self, folder):
        """The second model's end-of-sequence token is an added one under a number that the union changes."""
        base = model(folder / "base", with_added(train("BPE"), ["<|a|>", "<|b|>"]))
        other = with_added(train("BPE"), ["<|b|>"], special=["<|end|>"])
        size = other.get_vocab_size(with_added_tokens=True)
        ids = {"eos_token_id": [2, size - 1], "bos_token_id": 1}
        settings = {"eos_token": "<|end|>", "chat_template": "{{ messages }}"}
        model(
            folder / "chat", other, config=ids, settings=settings, generation={**ids, "pad_token_id": size - 1}, seed=1
        )
        return {"base": str(base), "chat": str(folder / "chat")}

    def test_ids_in_config_and_generation_config(self, tmp_path):
        models = self.models(tmp_path)
        recipe = weighted(models, {"base": 0.5, "chat": 0.5}, tokenizer=OWNERS, config_source=models["chat"])
        out = made(recipe, tmp_path)
        end = tokens(out)["<|end|>"]
        assert end != tokens(Path(models["chat"]))["<|end|>"]
        generation = json.loads((out / "generation_config.json").read_text())
        assert config(out)["eos_token_id"] == generation["eos_token_id"] == [2, end]
        assert generation["pad_token_id"] == end

    def test_flags_and_the_template_of_the_one_that_has_one(self, tmp_path):
        models = self.models(tmp_path)
        recipe = weighted(models, {"base": 0.5, "chat": 0.5}, tokenizer=OWNERS)
        out = made(recipe, tmp_path)
        flags = {e["content"]: e["special"] for e in json.loads((out / "tokenizer.json").read_text())["added_tokens"]}
        assert (flags["<|end|>"], flags["<|a|>"]) == (True, False)
        assert (out / "chat_template.jinja").read_text() == "{{ messages }}"
        assert "chat template is that of chat" in str(plan(recipe).problems)

    @pytest.mark.parametrize(
        ("wish", "text"), [("auto", "{{ messages }}"), ("chatml", "<|im_start|>"), ("{{ 1 }}", "{{ 1 }}")]
    )
    def test_a_template_that_is_asked_for(self, tmp_path, wish, text):
        models = self.models(tmp_path)
        recipe = weighted(models, {"base": 0.5, "chat": 0.5}, vocabulary="truncate", chat_template=wish)
        assert text in (made(recipe, tmp_path) / "chat_template.jinja").read_text()

    def test_an_unknown_template_is_refused(self, trio):
        assert "unknown chat template 'nope'" in str(
            check(slerp(trio, "base", "ftx131", vocabulary="zeros", chat_template="nope"))
        )

    def test_tokens_without_a_row_are_left_out(self, tmp_path):
        tokenizer = with_added(train("Unigram"), ["<|a|>"])
        cut = make_model(tmp_path / "cut", layers=1, vocab=tokenizer.get_vocab_size() - 1, tokenizer=False)
        save(cut, tokenizer)
        recipe = Recipe.of(
            {"merge_method": "linear", "models": [str(cut)], "parameters": {"weight": 1}, "tokenizer": OWNERS}
        )
        out = made(recipe, tmp_path)
        assert "<|a|>" not in tokens(out)
        assert len(tokens(out)) == len(rows(out))

    def test_a_model_without_a_tokenizer_is_named(self, trio, tmp_path):
        mute = make_model(tmp_path / "mute", layers=1, hidden=32, vocab=128, tokenizer=False)
        recipe = weighted({**trio, "mute": str(mute)}, {"base": 0.5, "mute": 0.5}, tokenizer=OWNERS)
        assert "mute has no tokenizer.json" in str(check(recipe))


class TestAgain:
    def test_the_result_of_a_repair_merges_again(self, trio, tmp_path):
        """The failure that made this necessary: padding that explodes later."""
        first = made(slerp(trio, "base", "ftx131", vocabulary="edge-gradient"), tmp_path)
        second = merge(
            slerp({**trio, "first": str(first)}, "first", "fty130", vocabulary="edge-gradient"), tmp_path / "second"
        ).path
        union = merge(
            weighted({**trio, "s": str(second)}, {"s": 0.5, "fty130": 0.5}, base="s", tokenizer=OWNERS),
            tmp_path / "third",
        ).path
        for tensor in load_file(union / "model.safetensors").values():
            assert tensor.isfinite().all()
        assert rows(union).abs().sum(1).min() > 0
        assert len(rows(union)) == len(tokens(union)) == 132

    def test_live_has_the_same_weights_and_the_new_tokenizer(self, trio, tmp_path):
        from nbmerge.engine.live.live_merge import live

        recipe = weighted(trio, {"base": 0.5, "ftx131": 0.3, "fty130": 0.2}, tokenizer=OWNERS)
        merged = live(recipe)
        assert len(merged.tokenizer) == merged.model.config.vocab_size == 132
        touched = merged.update(weighted(trio, {"base": 0.4, "ftx131": 0.4, "fty130": 0.2}, tokenizer=OWNERS)).touched
        assert {EMBED, HEAD} < set(touched)
        again = merged.update(weighted(trio, {"base": 0.4, "ftx131": 0.4, "fty130": 0.2}, tokenizer=OWNERS))
        assert again.touched == ()


SHORT, LONG = [[1.0, 0.0], [0.0, 2.0]], [[1.0, 1.0], [0.0, 1.0], [5.0, 5.0], [6.0, -6.0], [3.0, 8.0]]
EDGES = {
    "three rows": (
        SHORT, LONG, 0.5,
        [[1.171038, 0.585519], [0, 1.756556], [3.366733, 4.976910], [4.391391, -0.585519], [3.073974, 8.490022]],
    ),
    "the middle": (SHORT, [*LONG[:2], [4.0, 0.0]], 0.25, [[1.040914, 0.267153], [0, 1.814675], [2.616134, 0.773761]]),
    "the first is longer": (
        [*LONG[:3], [3.0, 8.0]], SHORT, 0.25, [[1.013914, 0.758104], [0, 1.269724], [4.04633, 4.81376], [2.785932, 7.599692]],
    ),
    "equal edges": (
        [[1.0, 0.0], [3.0, 8.0]], [*LONG[:3], [3.0, 8.0]], 0.5,
        [[1.047463, 0.523732], [1.571195, 4.713585], [4.189853, 6.808511], [3.14239, 8.379706]],
    ),
    "a bias": ([0.5, 1.0], [0.1, 0.2, 0.3, 4.0], 0.5, [0.312152, 0.624304, 1.196582, 3.641772]),
}  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.unloadable("its models have a tensor that Llama does not have")
@pytest.mark.rest_is_slow(keep=2)
def test_slerp_over_an_edge_gradient(name, tmp_path):
    """Numbers worked out in float64, independently of this code."""
    first, second, t, wanted = EDGES[name]
    models = {}
    for model_, values in (("first", first), ("second", second)):
        tensor = torch.tensor(values)
        replace = {EMBED: torch.ones(len(values), 2), HEAD: torch.ones(len(values), 2)}
        replace["lm_head.bias" if tensor.ndim == 1 else EMBED] = tensor
        sizes = {"hidden": 2, "heads": 1, "kv_heads": 1, "layers": 1, "vocab": len(values), "tokenizer": False}
        models[model_] = str(make_model(tmp_path / model_, **sizes, replace=replace))
    out = made(slerp(models, "first", "second", t, vocabulary="edge-gradient"), tmp_path)
    tensor = "lm_head.bias" if name == "a bias" else EMBED
    torch.testing.assert_close(rows(out, tensor), torch.tensor(wanted), rtol=0, atol=2e-6)
