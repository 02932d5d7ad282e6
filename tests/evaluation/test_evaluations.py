"""Evaluations without the harness: what is refused, what is shown, and what is written into a card."""

import os
import sys
import types
from pathlib import Path

import pytest
import yaml

import nbmerge as nbm
from nbmerge.errors import ArgumentError
from nbmerge.evaluation import Evaluation, Measure
from nbmerge.evaluation.harness import load_tasks
from nbmerge.evaluation.task_files import read_task
from nbmerge.plots import to_png
from nbmerge.recipe import Recipe
from tests.models import make_family

FOUND = Evaluation(
    (
        Measure("animals", "acc", "none", 0.75, 0.1, False, 20),
        Measure("<rivers>", "acc", "none", 0.5, None, False, 20),
        Measure("story", "word_perplexity", "none", 12.5, None, True, 3),
    )
)


@pytest.fixture
def merged(tmp_path):
    family = make_family(tmp_path / "models")
    recipe = Recipe.of(
        {"merge_method": "linear", "models": [str(family.ft1), str(family.ft2)], "parameters": {"weight": 1}}
    )
    return nbm.merge(recipe, tmp_path / "merged", progress=False).path


def front_matter(folder):
    return yaml.safe_load((Path(folder) / "README.md").read_text(encoding="utf-8").split("---\n")[1])


def test_the_harness_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(ArgumentError, match=r"pip install \"nbmerge\[eval\]\""):
        nbm.evaluate("anything", ["task"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes")
def test_a_task_is_found_by_name_among_other_things(tmp_path):
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")  # reading it would wait for ever
    (tmp_path / "words.yaml").write_text("task: shouting\ndataset_path: json\n", encoding="utf-8")

    task, folder = read_task("shouting", [tmp_path])
    assert (task["task"], folder) == ("shouting", None)
    assert read_task("whispering", [tmp_path]) == ("whispering", None)


def test_a_card_does_not_get_values_that_are_not_finite(tmp_path):
    (tmp_path / "README.md").write_text("---\ntags: []\n---\n", encoding="utf-8")
    found = Evaluation((Measure("story", "word_perplexity", "none", float("nan"), None, True, 3),))

    with pytest.raises(ArgumentError, match=r"story word_perplexity is nan.*Evaluate without that task"):
        found.write_card(tmp_path)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "---\ntags: []\n---\n"


@pytest.fixture
def harness(monkeypatch):
    """A package in the place of the harness, which has the tasks that were in folders when its index was made."""

    def index(include_path):
        known = [file.stem for folder in include_path or () for file in Path(folder).iterdir()]
        return types.SimpleNamespace(match_tasks=lambda names: [name for name in names if name in known])

    package, tasks = types.ModuleType("lm_eval"), types.ModuleType("lm_eval.tasks")
    tasks.TaskManager, tasks.get_task_dict = index, lambda names, manager: {}
    package.tasks = tasks
    monkeypatch.setitem(sys.modules, "lm_eval", package)
    monkeypatch.setitem(sys.modules, "lm_eval.tasks", tasks)


@pytest.mark.usefixtures("harness")
@pytest.mark.parametrize(
    ("tasks", "options", "what"),
    [
        ("none.yaml", {}, "There is no file none.yaml"),
        ("misspelt", {}, "The harness has no task 'misspelt'"),
        (3, {}, "tasks are names, YAML files or mappings, not 3"),
        ("misspelt", {"limit": 0}, "limit is a whole number of at least 1, not 0"),
        ("misspelt", {"shots": -1}, "shots is a whole number of at least 0, not -1"),
        ("misspelt", {"seed": "x"}, "seed is a whole number of at least 0, not 'x'"),
    ],
)
def test_arguments_are_refused_before_the_model_is_loaded(monkeypatch, tasks, options, what):
    monkeypatch.setattr("nbmerge.evaluation.evaluations.live", lambda *args, **kwargs: pytest.fail("merged"))
    with pytest.raises(ArgumentError, match=what):
        nbm.evaluate(nbm.demo.recipe(), tasks, **options)


@pytest.mark.usefixtures("harness")
def test_the_index_of_tasks_follows_the_files_in_its_folders(tmp_path):
    with pytest.raises(ArgumentError, match="no task 'mine'"):
        load_tasks(["mine"], [tmp_path])
    (tmp_path / "mine.yaml").write_text("task: mine\nprocess_docs: !function utils.run\n")
    assert load_tasks(["mine"], [tmp_path]).tasks == ("mine",)


def test_values_by_name():
    assert FOUND.value("animals") == FOUND.value("animals", "acc") == 0.75
    with pytest.raises(ArgumentError, match=r"no measure animals f1\. Measures: animals acc,none"):
        FOUND.value("animals", "f1")
    assert FOUND.table["task"].to_list() == ["animals", "<rivers>", "story"]


@pytest.mark.slow
def test_it_is_shown():
    assert "&lt;rivers&gt;" in FOUND._repr_html_()
    figure = FOUND.plot(theme="light")
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "acc, higher is better", "word_perplexity, lower is better",
    ]  # fmt: skip
    assert to_png(figure).startswith(b"\x89PNG")


def test_results_are_written_into_the_card(merged):
    before = (merged / "README.md").read_text(encoding="utf-8")
    FOUND.write_card(merged)
    text = (merged / "README.md").read_text(encoding="utf-8")
    (model,) = front_matter(merged)["model-index"]
    assert model["name"] == "merged"
    values = {r["dataset"]["name"]: r["metrics"][0]["value"] for r in model["results"]}
    assert values == {"animals": 0.75, "<rivers>": 0.5, "story": 12.5}
    assert text.split("---\n", 2)[2].strip() == before.split("---\n", 2)[2].strip()  # the rest stays
    assert front_matter(merged)["tags"] == ["merge", "nbmerge"]
    assert nbm.verify(merged).ok
    Evaluation((Measure("animals", "acc", "none", 0.9, None, False, 20),)).write_card(merged)
    (model,) = front_matter(merged)["model-index"]
    values = {r["dataset"]["name"]: r["metrics"][0]["value"] for r in model["results"]}
    assert values == {"animals": 0.9, "<rivers>": 0.5, "story": 12.5}


def test_every_filter_of_a_metric_is_in_the_card(merged):
    strict, flexible = (
        Measure("sums", "exact_match", name, value, None, False, 9) for name, value in (("strict", 0.25), ("any", 0.5))
    )
    for _ in range(2):
        Evaluation((strict, flexible)).write_card(merged)
        (result,) = front_matter(merged)["model-index"][0]["results"]
        metrics = {metric["name"]: metric["value"] for metric in result["metrics"]}
        assert metrics == {"exact_match (strict)": 0.25, "exact_match (any)": 0.5}
    assert [file.name for file in merged.iterdir() if "README" in file.name] == ["README.md"]


def test_cards_that_cannot_be_written(merged, tmp_path):
    with pytest.raises(ArgumentError, match="part of the samples"):
        Evaluation(FOUND.measures, limit=3).write_card(merged)
    with pytest.raises(ArgumentError, match="story ppl is nan, which a model card cannot hold"):
        Evaluation((Measure("story", "ppl", "none", float("nan"), None, True, 3),)).write_card(merged)
    with pytest.raises(ArgumentError, match="no model card"):
        FOUND.write_card(tmp_path)
    (merged / "README.md").write_text("---\n- no mapping: {\n---\n", encoding="utf-8")
    with pytest.raises(ArgumentError, match="cannot be read"):
        FOUND.write_card(merged)


def test_data_files_are_beside_their_task(tmp_path):
    task = {"task": "mine", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": "data.jsonl"}}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(task))
    with pytest.raises(ArgumentError, match=r"data of the task 'mine' are missing: there is no file .*data.jsonl"):
        read_task(tmp_path / "mine.yaml")
    (tmp_path / "data.jsonl").write_text("{}\n")
    read, folder = read_task(tmp_path / "mine.yaml")
    assert read["dataset_kwargs"]["data_files"] == {"test": str(tmp_path / "data.jsonl")}
    assert folder is None
    assert read_task("mine", [tmp_path]) == (read, None)
    assert read_task("other", [tmp_path]) == ("other", None)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("task: [", "cannot be read as a task"),
        ("name: x", "no.*key 'task'|with the key 'task'"),
        ("- a", "with the key 'task'"),
    ],
)
def test_files_that_are_no_tasks(tmp_path, text, what):
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(ArgumentError, match=what):
        read_task(tmp_path / "t.yaml")
    with pytest.raises(ArgumentError, match="There is no file"):
        read_task(tmp_path / "none.yaml")


def test_tasks_with_functions_are_left_to_the_harness(tmp_path):
    (tmp_path / "t.yaml").write_text("task: mine  # a name\nprocess_docs: !function utils.run\n")
    assert read_task(tmp_path / "t.yaml") == ("mine", tmp_path)
    assert read_task("arc_easy") == ("arc_easy", None)
