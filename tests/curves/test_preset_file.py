"""Own presets: one file that people can read, which no mistake destroys."""

import pytest

from nbmerge.curves import PRESETS, Knot, knots_to_value, preset_of_knots, spread_knots
from nbmerge.curves import preset_file as own
from nbmerge.curves.presets import Preset
from nbmerge.errors import ArgumentError, OutputError, RecipeError


@pytest.fixture
def file(tmp_path):
    return tmp_path / "settings" / "presets.yml"


RAMP = preset_of_knots("my ramp", spread_knots([0.2, 0.6, 0.9], 32), 32)
EARLY = preset_of_knots("early, layers", [Knot(0, 0.8), Knot(8, 0.2), Knot(31, 0)], 32)


def test_what_is_saved_is_listed_with_the_others(file):
    own.save_preset(RAMP, file)
    own.save_preset(EARLY, file)
    listed = own.list_presets(file)
    assert list(listed) == [*PRESETS, "my ramp", "early, layers"]
    assert listed["my ramp"].own
    assert knots_to_value(listed["my ramp"].knots(32), 32) == [0.2, 0.6, 0.9]
    assert knots_to_value(listed["early, layers"].knots(32), 32) == {0: 0.8, 8: 0.2, 31: 0}
    assert knots_to_value(listed["early, layers"].knots(63), 63) == {0: 0.8, 16: 0.2, 62: 0}
    assert "my ramp: [0.2, 0.6, 0.9]\n" in file.read_text()
    assert [p.name for p in file.parent.iterdir() if p.suffix != ".lock"] == ["presets.yml"]


def test_presets_are_shared_as_text(file, tmp_path):
    text = own.export_presets([RAMP, EARLY])
    assert own.import_presets(text, file) == ["my ramp", "early, layers"]
    with pytest.raises(ArgumentError, match="have a preset named 'my ramp' already"):
        own.import_presets(text, file)
    assert own.import_presets(text.replace("0.9", "1"), file, replace=True)
    assert own.list_presets(file)["my ramp"].points[-1] == (1.0, 1.0)
    own.delete_preset("my ramp", file)
    assert "my ramp" not in own.list_presets(file)
    with pytest.raises(ArgumentError, match="no preset of your own"):
        own.delete_preset("my ramp", file)


def test_presets_are_edited_as_text(file):
    own.import_presets("my ramp: [0, 1]\nold: 0.5\n", file)
    text = own.read_presets_text(file)
    own.write_presets_text(text.replace("old: [0.5]\n", "new: {0%: 1, 30%: 0}\n"), file)
    assert list(own.list_presets(file))[len(PRESETS) :] == ["my ramp", "new"]
    for wrong in ("new: [0, x]", "ring: [0, 1]"):
        with pytest.raises((RecipeError, ArgumentError)):
            own.write_presets_text(wrong, file)
    assert "new" in own.list_presets(file)


@pytest.mark.parametrize("name", ["", " a", "a\nb", "<b>", "x" * 61, "ring", "_", "../x", "a: b"])
def test_names_are_checked(name, file):
    with pytest.raises(ArgumentError):
        own.save_preset(Preset(name, "", ((0.0, 1.0),), own=True), file)
    assert not file.exists()


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("good: [0, 1]\nbad: [0, a]\n", 2, "'a' is not a number"),
        ("good: [0, 1]\nbad: {0: 1, 31: 0}\n", 2, "'0' is not a place between 0% and 100%"),
        ("bad: {0%: 1, 120%: 0}\n", 1, "'120%' is not a place"),
        ("- a\n", None, "presets are one mapping"),
        ("a: [0, 1\n", 2, "not valid YAML"),
        ("a: []\n", 1, "1 to 1,000 points"),
        ("a: yes\n", 1, "a curve is a list"),
    ],
)
def test_a_damaged_file_is_an_error_and_is_never_overwritten(text, line, what, file):
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(RecipeError, match=what) as error:
        own.list_presets(file)
    assert [p.line for p in error.value.problems] == [line]
    with pytest.raises(RecipeError, match="not changed until then"):
        own.save_preset(RAMP, file)
    assert file.read_text() == text


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "settings").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="cannot write"):
        own.save_preset(RAMP, tmp_path / "settings" / "presets.yml")
