"""Tasks made here, run by the lm-evaluation-harness on merges in memory.

`make evaluation` installs the harness and runs them, as CI does after all other tests: with datasets, pyarrow, scikit-learn and peft
it is half a gigabyte, which `make test` does without.
"""

import json
import os

import pytest

pytest.importorskip("lm_eval", reason="needs the lm-evaluation-harness: pip install 'nbmerge[eval]'")

import nbmerge as nbm
from nbmerge.demo.texts import answer, prompt
from nbmerge.demo.words import random_words
from nbmerge.errors import ArgumentError, SampleError
from nbmerge.evaluation import TaskScore

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # warnings of the harness and its libraries

TASK = """\
task: shouting
dataset_path: json
dataset_kwargs:
  data_files: {test: words.jsonl}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
target_delimiter: ""
doc_to_choice: "{{choices}}"
doc_to_target: 0
metric_list:
  - metric: acc
"""


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """Which of two answers is more likely: the word in capitals, or as it is."""
    folder = tmp_path_factory.mktemp("tasks")
    os.environ["HF_DATASETS_CACHE"] = str(folder / "cache")
    rows = [
        {"question": prompt("upper", word), "choices": [answer("upper", word), f" {word}"]}
        for word in random_words(20, 0, "measure")
    ]
    (folder / "words.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "shouting.yaml").write_text(TASK)
    return folder / "shouting.yaml"


def test_the_model_in_memory_is_evaluated(task):
    merge = nbm.live(nbm.demo.flat(0.0), progress=False)
    low = nbm.evaluate(merge, [task])
    assert low.table[["task", "metric", "samples"]].to_numpy().tolist() == [["shouting", "acc", 20]]
    merge.update(nbm.demo.recipe(), progress=False)
    high = nbm.evaluate(merge, [task])
    expected = sum(
        nbm.log_odds(merge, prompt("upper", w), answer("upper", w), f" {w}").value > 0
        for w in random_words(20, 0, "measure")
    ) / 20  # fmt: skip
    assert high.value("shouting") == expected
    assert high.value("shouting") >= low.value("shouting")
    merge.close()
    assert nbm.evaluate(nbm.demo.recipe(), task).value("shouting") == expected
    folder = nbm.demo.family().experts["shouter"]
    assert nbm.evaluate(folder, task, limit=5).value("shouting") == 1.0


def test_a_task_is_a_score_of_a_search(task):
    genome = {
        "genome": {
            "models": [str(f) for f in nbm.demo.family().experts.values()],
            "base_model": str(nbm.demo.family().base), "merge_method": "task_arithmetic", "layer_granularity": 4,
        },
        "tasks": [{"name": str(task), "metric": "acc,none"}], "limit": 5,
    }  # fmt: skip
    found = nbm.search(genome, trials=3, progress=False)
    assert found.table["state"].to_list() == ["complete"] * 3
    assert found.best_trial.scores[str(task)] == TaskScore(str(task), limit=5)(nbm.live(found.best, progress=False))


def test_tasks_that_are_not_there(task, tmp_path):
    folder = nbm.demo.family().base
    with pytest.raises(ArgumentError, match="no task 'no_such_task'"):
        nbm.evaluate(folder, ["no_such_task"])
    with pytest.raises(ArgumentError, match=r"data of the task 'arc_easy' cannot be loaded: .*while you are online"):
        nbm.evaluate(folder, ["arc_easy"])  # tests are offline
    (tmp_path / "t.yaml").write_text(TASK)
    with pytest.raises(ArgumentError, match=r"missing: there is no file .*words.jsonl"):
        nbm.evaluate(folder, [tmp_path / "t.yaml"])
    with pytest.raises(ArgumentError, match=r"data of the task.*words.jsonl"):
        nbm.evaluate(folder, ["shouting"], include=tmp_path)
    with pytest.raises(ArgumentError, match="no folder"):
        nbm.evaluate(folder, [task], include=tmp_path / "none")
    with pytest.raises(ArgumentError, match="tasks is empty"):
        nbm.evaluate(folder, [])


def test_a_task_by_its_name_finds_the_data_beside_its_file(task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert nbm.evaluate(nbm.demo.family().base, ["shouting"], include=task.parent, limit=1).measures


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("metric_list:", "metrics: 3\nmetric_list:"), "unexpected keyword argument 'metrics'. Correct its keys"),
        (("{{question}}", "{{nothing.x}}"), "'nothing' is undefined. Correct its keys"),
        (("words.jsonl", "broken.jsonl"), r"DatasetGenerationError: .*; \w+: .*Correct its keys.*data"),
        (("words.jsonl", "empty.jsonl"), "cannot be loaded: StopIteration. Correct"),
    ],
)
def test_tasks_with_mistakes(task, change, what):
    (task.parent / "broken.jsonl").write_text("{not json")
    (task.parent / "empty.jsonl").write_text("")
    file = task.parent / "mistaken.yaml"
    file.write_text(TASK.replace("shouting", "mistaken").replace(*change))
    with pytest.raises(ArgumentError, match=what):
        nbm.evaluate(nbm.demo.family().base, [file])
    file.unlink()


def test_functions_of_a_task_that_raise(task):
    (task.parent / "own.py").write_text("def score(doc, results):\n    raise RuntimeError('<b>wrong</b>.')\n")
    file = task.parent / "functions.yaml"
    text = TASK.replace("shouting", "functions").replace("words.jsonl", str(task.parent / "words.jsonl"))
    file.write_text(f"{text}process_results: !function own.score\n")
    with pytest.raises(SampleError, match=r"failed on functions: RuntimeError: <b>wrong</b>\. Check"):
        nbm.evaluate(nbm.demo.family().base, [file], limit=1)
