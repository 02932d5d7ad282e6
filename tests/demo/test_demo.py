"""The bundled models are what MEASURED.md says: small, ordinary, and worth merging layer by layer."""

import itertools
import random
import subprocess
import sys

import pytest
import torch
import yaml
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

import nbmerge as nbm
from nbmerge import demo
from nbmerge.demo import bundle, characters, exam, texts, words
from nbmerge.demo.train import search

SEED = 7
FLAT = [0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0]
NAMES = ("base", *bundle.EXPERTS)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def models():
    return {name: AutoModelForCausalLM.from_pretrained(demo.family().folder(name)) for name in NAMES}


@pytest.fixture(scope="module")
def gradient():
    return nbm.live(demo.recipe())


# --- the folders


def test_import_is_cheap():
    code = "import sys, nbmerge.demo; sys.exit(bool({'torch', 'transformers', 'yaml'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_all_is_small_enough_to_ship():
    files = [file for file in bundle.HERE.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    assert sum(file.stat().st_size for file in files) < 8_500_000


@pytest.mark.parametrize("name", NAMES)
def test_folders_are_ordinary(name, models):
    folder = demo.family().base.parent / name
    wanted = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {file.name for file in folder.iterdir()} >= {*wanted, "README.md"}
    assert models[name].dtype == torch.float32
    assert not models[name].config.tie_word_embeddings
    assert models[name].generation_config.eos_token_id == AutoTokenizer.from_pretrained(folder).eos_token_id
    with safe_open(folder / "model.safetensors", "pt") as file:
        assert "lm_head.weight" in file.keys()  # noqa: SIM118 - not a mapping


def test_tokenizer_gives_every_text_back():
    tokenizer = AutoTokenizer.from_pretrained(demo.family().base)
    rng = random.Random(SEED)
    for text in [*(texts.story(rng) for _ in range(50)), "reverse lion >  NOIL\n", "a\n\n b  ", ""]:
        ids = tokenizer(text)["input_ids"]
        assert ids == characters.encode(text)[:-1]
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert tokenizer("5")["input_ids"][1] == tokenizer.unk_token_id


def test_texts_fit_into_the_context():
    rng = random.Random(SEED)
    stories = (texts.story(rng) for _ in range(2000))
    assert max(len(characters.encode(story)) for story in stories) <= characters.CONTEXT


# --- the words


def test_measured_words_are_never_trained_on():
    measured = {word for seed in range(5) for word in words.random_words(300, seed)}
    mixture = {skill: 0.5 for skill in texts.SKILLS}
    trained = {text.split()[1] for text in itertools.islice(texts.documents(mixture, random.Random(1)), 5000)}
    searched = set(words.random_words(500, 0, "search"))
    assert measured.isdisjoint(trained)
    assert measured.isdisjoint(searched)
    assert searched.isdisjoint(trained)
    assert {words.use_of(word) for word in measured} == {"measure"}


def test_the_rule_does_not_change():
    """The bundled weights were trained under it."""
    uses = {"fox": "train", "owl": "search", "lion": "measure", "cat": "measure", "model": "train"}
    assert {word: words.use_of(word) for word in uses} == uses


def test_random_words_are_reproducible():
    assert words.random_words(50, 3) == words.random_words(50, 3) != words.random_words(50, 4)
    assert len(set(words.random_words(300, SEED))) == 300


def test_prompts_ask_for_what_no_training_saw():
    *questions, story = demo.PROMPTS
    assert questions == [texts.prompt(skill, "lion") for skill in texts.SKILLS]
    assert words.use_of("lion") == "measure"
    assert story.startswith("the ")


# --- the skills


@pytest.mark.slow
def test_the_base_scores_at_most_70_percent(models):
    assert max(demo.skills(models["base"], seed=SEED).values()) <= 0.70


@pytest.mark.parametrize(("name", "own"), bundle.EXPERTS.items())
@pytest.mark.slow
def test_experts_have_one_skill(name, own, models):
    marks = demo.skills(models[name], seed=SEED)
    assert marks.pop(own) >= 0.95
    assert max(marks.values()) <= 0.15


@pytest.mark.slow
def test_exam_says_what_greedy_decoding_says(models):
    tokenizer = AutoTokenizer.from_pretrained(demo.family().base)
    some = words.random_words(30, SEED)
    for skill in texts.SKILLS:
        right = 0
        for _, group in itertools.groupby(sorted(some, key=len), key=len):
            group = list(group)
            batch = tokenizer([texts.prompt(skill, word) for word in group], return_tensors="pt")
            out = models["base"].generate(**batch, max_new_tokens=10, do_sample=False)
            decoded = tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
            right += sum(d == texts.answer(skill, word) for d, word in zip(decoded, group, strict=True))
        assert exam.score(models["base"], exam.sheet(skill, some, tokenizer)) == right / 30


@pytest.mark.slow
def test_skills_takes_folders_models_and_what_holds_one(models):
    model = models["shouter"]
    holder = type("Holder", (), {"model": model, "tokenizer": None})()
    expected = demo.skills(model, n=40)
    assert demo.skills(demo.family().experts["shouter"], n=40) == expected
    assert demo.skills(str(demo.family().experts["shouter"]), n=40) == expected
    assert demo.skills(holder, n=40) == expected


def test_skills_leaves_the_model_as_it_was(models):
    models["base"].train()
    demo.skills(models["base"], n=4)
    assert models["base"].training
    models["base"].eval()


# --- the recipes


def test_shipped_recipe_has_weights_for_each_layer():
    data = yaml.safe_load((bundle.HERE / "recipe.yaml").read_text())
    assert [entry["model"] for entry in data["models"]] == list(bundle.EXPERTS)
    for entry in data["models"]:
        *ends, attention, rest = entry["parameters"]["weight"]
        assert [rule["filter"] for rule in ends] == ["model.embed_tokens", "model.norm", "lm_head"]
        assert attention["filter"] == "self_attn"
        assert len(attention["value"]) == len(rest["value"]) == 8
        values = [*attention["value"], *rest["value"], *(rule["value"] for rule in ends)]
        assert all(0 <= value <= search.HIGH for value in values)


def test_merge_is_what_was_searched(models, gradient):
    data = yaml.safe_load((bundle.HERE / "recipe.yaml").read_text())
    curves = []
    for entry in data["models"]:
        embedding, norm, head, attention, rest = (rule["value"] for rule in entry["parameters"]["weight"])
        curves.append([embedding, *attention, *rest, norm, head])
    base, *experts = models.values()
    wanted = search.Blend(base, experts).at(torch.tensor(curves))
    merged = dict(gradient.model.named_parameters())
    assert merged.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(merged[name].detach(), tensor)


def test_recipe_of_the_search_is_read_back():
    weights = torch.arange(38.0).reshape(2, 19) / 100
    data = yaml.safe_load(search.as_yaml(weights, bundle.EXPERTS))
    rules = data["models"][1]["parameters"]["weight"]
    attention, rest = ([i / 100 for i in range(first, first + 8)] for first in (20, 28))
    assert [rule["value"] for rule in rules] == [0.19, 0.36, 0.37, attention, rest]


@pytest.mark.slow
def test_shipped_gradient_beats_every_flat_weight(gradient):
    marks = demo.skills(gradient, seed=SEED)
    assert min(marks.values()) >= 0.88
    merge = nbm.live(demo.flat(FLAT[0]))
    for weight in FLAT:
        merge.update(demo.flat(weight))
        assert min(demo.skills(merge, seed=SEED).values()) <= 0.75
