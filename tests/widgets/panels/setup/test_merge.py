"""Merging: where to, how far, and what went wrong."""

from nbmerge.progress import Event
from nbmerge.widgets import JobLine, MergePanel
from nbmerge.widgets.state import activities
from tests.widgets.browser import act


def detail(panel):
    return panel.view.content["detail"]


def test_a_merge_is_written_and_a_free_name_is_next(state, tmp_path):
    panel, line = MergePanel(state=state), JobLine(state=state)
    assert detail(panel)["out"] == "merged"
    assert dict(detail(panel)["cost"])["writes"]
    act(panel.view, "merge")
    assert state.job.wait(60)
    assert (tmp_path / "merged" / "config.json").is_file()
    assert panel.errors.value == ""
    assert detail(panel)["result"]["path"] == str(tmp_path / "merged")
    assert detail(panel)["out"] == "merged-2"
    assert "Written" in detail(line)["ended"]["text"]
    act(panel.view, "set_out", path="merged")
    assert detail(panel)["blocked"]
    assert detail(panel)["proposed"] == "merged-2"
    act(panel.view, "set_overwrite", value=True)
    assert (detail(panel)["blocked"], detail(panel)["label"]) == (False, "Replace")
    act(panel.view, "set_out", path="merged")
    act(panel.view, "propose_out")
    assert detail(panel)["out"] == "merged-2"
    state.edit(lambda r: r.with_parameter("lambda", 0.5))
    assert "from an earlier recipe" in detail(panel)["result"]["title"]
    act(line.view, "dismiss")
    assert detail(line)["ended"] is None


def test_an_output_that_cannot_be_is_refused_before(state):
    panel = MergePanel(state=state)
    act(panel.view, "set_out", path=str(state.base))
    assert "Choose a folder outside it" in detail(panel)["why"]
    act(panel.view, "set_out", path=" ")
    assert "Enter an output folder" in detail(panel)["why"]
    assert detail(panel)["blocked"]


def stop_in_the_middle(state, panel, line):
    def stop(change):
        if isinstance(change["new"], Event) and change["new"].tensors_done:
            merge = next(a for a in state.activities.running if a.name == "merge")  # the cost may be being measured
            act(line.view, "stop", id=merge.number)

    state.job.observe(stop, "event")
    act(panel.view, "merge")
    assert state.job.wait(60)
    state.job.unobserve(stop, "event")
    assert state.job.status == "stopped"


def test_a_stopped_merge_is_resumed(state, tmp_path, monkeypatch):
    monkeypatch.setattr(activities, "NOTIFY_EVERY", 0)
    panel, line = MergePanel(state=state), JobLine(state=state)
    stop_in_the_middle(state, panel, line)
    ended = detail(line)["ended"]
    assert "finished tensors are kept" in ended["text"]
    assert [a["name"] for a in ended["actions"]] == ["resume", "discard"]
    assert not (tmp_path / "merged").exists()
    act(line.view, "resume")
    assert state.job.wait(60)
    assert (tmp_path / "merged" / "config.json").is_file()
    assert detail(line)["ended"]["kind"] == "done"


def test_a_stopped_merge_is_discarded(state, tmp_path, monkeypatch):
    monkeypatch.setattr(activities, "NOTIFY_EVERY", 0)
    panel, line = MergePanel(state=state), JobLine(state=state)
    stop_in_the_middle(state, panel, line)
    act(panel.view, "discard")
    assert detail(line)["ended"] is None
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_thread_is_displayed(state, tmp_path):
    panel, line = MergePanel(state=state), JobLine(state=state)

    def get_in_the_way(change):
        if change["new"] is not None:
            (tmp_path / "merged").write_text("in the way")

    state.job.observe(get_in_the_way, "event")
    act(panel.view, "merge")
    assert state.job.wait(60)
    assert detail(line)["ended"]["kind"] == "failed"
    assert "is not a folder" in detail(line)["ended"]["text"]
