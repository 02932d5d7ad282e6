"""The trials of a search: in memory, or in an Optuna study in an SQLite file that outlives the process.

The study is an ordinary one, which Optuna's dashboard shows. What belongs to a trial besides its values is in its user
attribute ``nbmerge``. All reads and writes of trials that others may write are made under a lock (`locks`).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as quote_path

from nbmerge.errors import ArgumentError, NbmergeError, OutputError
from nbmerge.optimisation.locks import Locks
from nbmerge.optimisation.packages import make_distributions, require_optuna
from nbmerge.optimisation.space import Space, Value
from nbmerge.optimisation.trials import State, Trial
from nbmerge.quoting import quote

if TYPE_CHECKING:
    from nbmerge.optimisation.objective import Outcome

STUDY = "nbmerge"
"""Name of the study in its file."""
IDENTITY, DETAILS, OWNER = "nbmerge search", "nbmerge", "nbmerge owner"
"""User attributes: of the study, of a finished trial, of a trial that is running."""
ADDRESS = re.compile("(?P<kind>[a-z][a-z0-9+]+):/+")
"""How the address of a database begins, also where it was read as a path."""
PATIENCE = 10.0
"""Seconds to wait for a database that another program writes to."""

Draw = Callable[[int, Sequence[Trial]], "dict[str, Value]"]


class Store:
    """The trials of one search.

    Parameters
    ----------
    path : Path or None
        The file; None to keep them in memory.
    identity : dict
        What the study belongs to, as plain data.
    space : Space
    directions : list of str

    Raises
    ------
    ArgumentError
        When the file has the study of another search.
    OutputError
        When the file cannot be used: damaged, locked, not writable.
    """

    def __init__(self, path: Path | None, identity: Mapping[str, Any], space: Space, directions: Sequence[str]):
        self._path, self._space = path, space
        self._distributions = make_distributions(space)
        self._finished: dict[int, Trial] = {}  # these do not change any more, and there may be thousands
        if path is not None and not path.absolute().parent.is_dir():
            raise OutputError(f"{path} cannot be made: there is no folder {path.absolute().parent}. Create it first.")
        self._locks = None if path is None else Locks(path)
        try:
            with self._alone(), self._errors():
                self._storage = self._open()
                self._study = self._find_study(identity, directions)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release what this process was working on; another one may continue it."""
        if self._locks is not None:
            self._locks.close()

    def trials(self) -> list[Trial]:
        """All trials, in order."""
        with self._errors():
            return [self._read(trial) for trial in self._storage.get_all_trials(self._study, deepcopy=False)]

    def claim(self, needed: Callable[[int], int], draw: Draw, most: int | None) -> Trial | None:
        """The next trial to work on: one that a process left behind when it died, else a new one.

        Parameters
        ----------
        needed : callable
            How many of the first trials must have ended before the trial of a number is drawn.
        draw : callable
            The values of a new trial, from its number and all trials.
        most : int or None
            No new trial from this number on.

        Returns
        -------
        Trial or None
            None if there is nothing to do now: all are done, or others must end first.
        """
        with self._alone():
            trials = self.trials()
            for trial in trials:
                if not trial.is_finished and self._is_left_behind(trial.number):
                    self._note_owner(trial.number)
                    return trial
            number = len(trials)
            if (most is not None and number >= most) or not all(t.is_finished for t in trials[: needed(number)]):
                return None
            trial = Trial(number, draw(number, trials))
            self._add(trial)
            return trial

    def finish(self, trial: Trial, outcome: Outcome) -> None:
        """Note the outcome of a trial."""
        states = require_optuna().trial.TrialState
        state = states.PRUNED if outcome.is_pruned else states.FAIL if outcome.error else states.COMPLETE
        details = {"scores": outcome.scores, "held_out": outcome.held_out, "error": outcome.error}
        with self._alone(), self._errors():
            id = self._id(trial.number)
            for step, value in enumerate(outcome.steps):
                self._storage.set_trial_intermediate_value(id, step, value)
            self._storage.set_trial_user_attr(id, DETAILS, {**details, "seconds": round(outcome.seconds, 3)})
            values = outcome.objective if state == states.COMPLETE else None
            self._storage.set_trial_state_values(id, state=state, values=values)

    # --- the database ---

    def _open(self) -> Any:
        if self._path is None:
            return require_optuna().storages.InMemoryStorage()
        _refuse_other_database(self._path)
        return _open_file(self._path)

    def _find_study(self, identity: Mapping[str, Any], directions: Sequence[str]) -> int:
        optuna = require_optuna()
        if STUDY in [study.study_name for study in self._storage.get_all_studies()]:
            study = int(self._storage.get_study_id_from_name(STUDY))
            _check_identity(self._storage.get_study_user_attrs(study).get(IDENTITY), identity, self._path)
            return study
        wanted = [optuna.study.StudyDirection[direction.upper()] for direction in directions]
        study = int(self._storage.create_new_study(wanted, STUDY))
        self._storage.set_study_user_attr(study, IDENTITY, dict(identity))
        return study

    def _id(self, number: int) -> int:
        return int(self._storage.get_trial_id_from_study_id_trial_number(self._study, number))

    def _add(self, trial: Trial) -> None:
        optuna = require_optuna()
        frozen = optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING,
            params=trial.values,
            distributions=dict(self._distributions),
            user_attrs={OWNER: self._locks.owner if self._locks is not None else ""},
        )
        with self._errors():
            self._storage.create_new_trial(self._study, template_trial=frozen)

    def _is_left_behind(self, number: int) -> bool:
        """Whether the process that worked on a trial is gone."""
        if self._locks is None:
            return False
        with self._errors():
            owner = self._storage.get_trial_user_attrs(self._id(number)).get(OWNER, "")
        return not self._locks.is_alive(str(owner))

    def _note_owner(self, number: int) -> None:
        assert self._locks is not None
        with self._errors():
            self._storage.set_trial_user_attr(self._id(number), OWNER, self._locks.owner)

    def _read(self, frozen: Any) -> Trial:
        if (known := self._finished.get(frozen.number)) is not None:
            return known
        trial = self._read_new(frozen)
        if trial.is_finished:
            self._finished[trial.number] = trial
        return trial

    def _read_new(self, frozen: Any) -> Trial:
        values = {name: frozen.params[name] for name in self._space.names}
        steps = tuple(value for _, value in sorted(frozen.intermediate_values.items()))
        details = frozen.user_attrs.get(DETAILS, {})
        state = STATES.get(frozen.state.name, "running")
        objective = tuple(frozen.values) if state == "complete" else steps[-1:] if state == "pruned" else ()
        return Trial(
            frozen.number,
            values,
            state,
            dict(details.get("scores", {})),
            dict(details.get("held_out", {})),
            objective,
            steps,
            str(details.get("error", "")),
            float(details.get("seconds", 0.0)),
        )

    def _alone(self) -> AbstractContextManager[None]:
        return nullcontext() if self._locks is None else self._locks.alone()

    def _errors(self) -> AbstractContextManager[None]:
        return nullcontext() if self._path is None else _errors_of(self._path)


STATES: dict[str, State] = {"COMPLETE": "complete", "FAIL": "failed", "PRUNED": "pruned"}
"""Optuna's names of states; all others are those of a trial that has not ended."""


def find_start(path: Path) -> str:
    """The fingerprint of the recipe that the search in a file began with; empty where there is no such file.

    Raises
    ------
    ArgumentError, OutputError
        When it is a file of something else, or cannot be read.
    """
    if not path.is_file():
        return ""
    require_optuna()
    with _errors_of(path):
        storage = _open_file(path)
        if STUDY not in [study.study_name for study in storage.get_all_studies()]:
            return ""
        identity = storage.get_study_user_attrs(storage.get_study_id_from_name(STUDY)).get(IDENTITY)
    return str(identity.get("recipe", "")) if isinstance(identity, dict) else ""


def read_storage(storage: str | PathLike[str]) -> Path:
    """The file that a caller names.

    Raises
    ------
    ArgumentError
        When it is the address of a database.
    """
    text = fspath(storage)
    if address := ADDRESS.match(text):
        file = text[address.end() :] if address["kind"] == "sqlite" else "study.db"
        raise ArgumentError(
            f"storage is a file, not the address of a database, as {quote(text)} is. Pass its path: storage={file!r}."
        )
    return Path(text).expanduser()


def _refuse_other_database(path: Path) -> None:
    """Refuse a database of another program: Optuna would add its tables to it."""
    if not path.is_file() or not path.stat().st_size:
        return
    url = f"file:{quote_path(str(path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(url, uri=True, timeout=PATIENCE)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and "studies" not in tables:
        raise ArgumentError(f"{path} is a database of another program: it has no studies. Choose another storage.")


def _open_file(path: Path) -> Any:
    storages = require_optuna().storages
    url = f"sqlite:///{quote_path(str(path), safe='/')}"
    options = {"connect_args": {"timeout": PATIENCE}}
    return storages.get_storage(storages.RDBStorage(url, engine_kwargs=options))


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Turn errors of a database into sentences."""
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except NbmergeError:
        raise
    except (
        SQLAlchemyError,
        OptunaError,
        sqlite3.Error,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
    ) as error:
        raise OutputError(_explain(error, path)) from error


def _check_identity(known: Any, wanted: Mapping[str, Any], path: Path | None) -> None:
    """Refuse a study that belongs to something else."""
    if not isinstance(known, dict):
        raise ArgumentError(f"{path} has a study that nbmerge did not make. Choose another storage.")
    if differing := [name for name in wanted if known.get(name) != wanted[name]]:
        are = "differ" if len(differing) > 1 or differing == ["scores"] else "differs"
        raise ArgumentError(
            f"{path} belongs to another search: its {' and '.join(differing)} {are}. Choose another storage, or pass what "
            "that search was called with to continue it."
        )


def _explain(error: Exception, path: Path) -> str:
    """What is wrong with a database, and what to do."""
    cause = error.__cause__ or error
    what = str(getattr(cause, "orig", None) or getattr(error, "orig", None) or cause)
    if "locked" in what or "busy" in what:
        return (
            f"{path} has been locked by another program for {PATIENCE:.0f} s. Close that program, then search again: "
            "finished trials are kept."
        )
    if "unable to open" in what or "readonly" in what or isinstance(error, PermissionError):
        return f"{path} cannot be opened or written ({quote(what, 200)}). Check the folder and its permissions."
    if "disk is full" in what:
        return (
            f"{path} cannot be written: the disk is full. Free some space and search again; finished trials are kept."
        )
    return (
        f"{path} is not a study, or is damaged ({type(error).__name__}: {quote(what, 200)}). "
        "Choose another storage, or restore the file from a copy."
    )
