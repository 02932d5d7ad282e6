"""A study belongs to one search; a database that cannot be used is refused with a sentence."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import nbmerge as nbm
from nbmerge.errors import ArgumentError, OutputError
from nbmerge.optimisation import store
from tests.optimisation.conftest import TEXT, Distance

KNOTS = {"knots": 1, "trials": 2, "progress": False}


@pytest.mark.slow
def test_it_is_an_ordinary_study(recipe, tmp_path):
    import optuna

    nbm.search(recipe, {"far": Distance()}, storage=tmp_path / "s.db", **KNOTS)
    study = optuna.load_study(study_name="nbmerge", storage=f"sqlite:///{tmp_path}/s.db")
    assert [t.state.name for t in study.trials] == ["COMPLETE", "COMPLETE"]
    assert study.trials[0].params == {"weight[ft1]": 0.5, "weight[ft2]": 0.5}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"recipe": 0.4}, "its recipe differs"),
        ({"scores": {"far": Distance((0, 0))}}, "its scores differ"),
        ({"scores": {"other": Distance()}, "seed": 1}, "its scores and goal and seed differ"),
        ({"ranges": {"weight": (0, 2)}}, "its space differs"),
        ({"held_out": {"far": TEXT}}, "its held_out differs"),
    ],
)
@pytest.mark.slow
def test_a_study_of_another_search_is_refused(recipe, tmp_path, change, what):
    options = {"recipe": recipe, "scores": {"far": Distance()}, "storage": tmp_path / "s.db", **KNOTS}
    nbm.search(**options)
    change = dict(change)
    if "recipe" in change:
        change["recipe"] = recipe.with_parameter("weight", change["recipe"], recipe.models[0].model)
    with pytest.raises(ArgumentError, match=f"another search: {what}. Choose another storage"):
        nbm.search(**options | change)
    assert len(nbm.search(**options).trials) == 2


def test_a_study_of_another_program_is_refused(recipe, tmp_path):
    import optuna

    optuna.create_study(study_name=store.STUDY, storage=f"sqlite:///{tmp_path}/s.db")
    with pytest.raises(ArgumentError, match="a study that nbmerge did not make"):
        nbm.search(recipe, {"far": Distance()}, storage=tmp_path / "s.db", **KNOTS)


def test_a_database_of_another_program_stays_as_it_is(recipe, tmp_path):
    with closing(sqlite3.connect(tmp_path / "notes.db")) as database:
        database.execute("CREATE TABLE notes (text)")
    before = (tmp_path / "notes.db").read_bytes()
    with pytest.raises(ArgumentError, match=r"notes.db is a database of another program: it has no studies"):
        nbm.search(recipe, {"far": Distance()}, storage=tmp_path / "notes.db", **KNOTS)
    assert (tmp_path / "notes.db").read_bytes() == before


@pytest.mark.parametrize(
    ("address", "path"),
    [("sqlite:///my.db", "my.db"), (Path("sqlite:///my.db"), "my.db"), ("postgresql://host/x", "study.db")],
)
def test_the_address_of_a_database_is_no_file(recipe, address, path):
    with pytest.raises(ArgumentError, match=f"storage is a file.*Pass its path: storage='{path}'"):
        nbm.search(recipe, {"far": Distance()}, storage=address, **KNOTS)


@pytest.mark.slow
def test_a_damaged_database(recipe, tmp_path):
    (tmp_path / "text.db").write_text("this is no database, " * 100)
    with pytest.raises(OutputError, match=r"text.db is not a study, or is damaged.*another storage"):
        nbm.search(recipe, {"far": Distance()}, storage=tmp_path / "text.db", **KNOTS)
    nbm.search(recipe, {"far": Distance()}, storage=tmp_path / "s.db", **KNOTS)
    data = bytearray((tmp_path / "s.db").read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    (tmp_path / "s.db").write_bytes(data)
    with pytest.raises(OutputError, match="is damaged"):
        nbm.search(recipe, {"far": Distance()}, storage=tmp_path / "s.db", **KNOTS)


@pytest.mark.slow
def test_a_locked_database(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "PATIENCE", 0.2)
    nbm.search(recipe, {"far": Distance()}, storage=tmp_path / "s.db", **KNOTS)
    holder = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(OutputError, match="locked by another program"):
        nbm.search(recipe, {"far": Distance()}, storage=tmp_path / "s.db", **KNOTS | {"trials": 3})
    holder.close()
    assert len(nbm.search(recipe, {"far": Distance()}, storage=tmp_path / "s.db", **KNOTS | {"trials": 3}).trials) == 3


def test_a_folder_that_is_not_there(recipe, tmp_path):
    with pytest.raises(OutputError, match=r"no.such.s.db.*folder"):
        nbm.search(recipe, {"far": Distance()}, storage=tmp_path / "no" / "such" / "s.db", **KNOTS)


@pytest.mark.slow
def test_no_lock_is_left(recipe, tmp_path):
    (tmp_path / ".s.db.0123456789abcdef").touch()  # of a process that was killed
    nbm.search(recipe, {"far": Distance()}, storage=tmp_path / "s.db", **KNOTS)
    assert {f.name for f in tmp_path.iterdir()} <= {"s.db", ".s.db.lock"}
