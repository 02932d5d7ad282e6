"""The merge panel: where to, how far, and what went wrong."""

from nbmerge.progress import Event
from nbmerge.widgets import MergePanel


def test_merge_writes_the_folder_and_says_where(state, tmp_path):
    panel = MergePanel(state=state)
    panel.out.value = str(tmp_path / "out")
    panel.dtype.value = "bfloat16"
    assert state.recipe.dtype == "bfloat16"
    panel.job.start.click()
    assert state.job.wait(60)
    assert panel.errors.value == ""
    assert (tmp_path / "out" / "config.json").is_file()
    assert str(tmp_path / "out") in panel.result.value
    assert panel.job.start.disabled  # it is there now
    panel.overwrite.value = True
    assert not panel.job.start.disabled
    state.edit(lambda r: r.with_parameter("lambda", 0.5))
    assert "from an earlier recipe" in panel.result.value
    panel.out.value = ""
    assert "Enter an output folder" in panel.obstacle.value
    assert panel.errors.value == ""


def test_an_output_that_cannot_be_is_refused_before(state):
    panel = MergePanel(state=state)
    panel.out.value = str(state.base)
    assert "Choose a folder outside it" in panel.obstacle.value
    assert panel.job.start.disabled
    panel.out.value = " "
    assert "Enter an output folder" in panel.obstacle.value


def test_a_merge_is_stopped_and_leaves_nothing(state, tmp_path):
    panel = MergePanel(state=state)
    panel.out.value = str(tmp_path / "out")

    def stop(change):
        if isinstance(change["new"], Event):
            panel.job.stop.click()

    state.job.observe(stop, "event")
    panel.job.start.click()
    assert state.job.wait(60)
    assert state.job.status == "stopped"
    assert "Stopped" in panel.job.note.value
    assert not (tmp_path / "out").exists()


def test_what_goes_wrong_in_the_thread_is_on_screen(state, tmp_path):
    panel = MergePanel(state=state)
    panel.out.value = str(tmp_path / "out")
    (tmp_path / "out").write_text("in the way")  # after the check
    panel.job.start.click()
    assert state.job.wait(60)
    assert "is not a folder" in panel.errors.value
