"""Which values a trial has: a function of the seed, the trial's number and the results that it may know.

There is no other state, so a search that was killed continues as if it had not been, and several processes agree. Optuna's
samplers keep a random generator, and its CMA-ES a pickled optimizer in the database: here the generator is made for each trial,
and the optimizer from the results, so that nothing from a file is unpickled.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nbmerge.arguments import parse_whole_number
from nbmerge.errors import ArgumentError
from nbmerge.optimisation.goals import Goal
from nbmerge.optimisation.packages import make_distributions, require_cmaes, require_optuna
from nbmerge.optimisation.space import Choice, Range, Space, Value
from nbmerge.optimisation.trials import Trial

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

SamplerName = Literal["tpe", "cmaes", "random", "grid"]
NAMES = ("tpe", "cmaes", "random", "grid")
STARTUP = 10
"""Trials at random before TPE has something to learn from."""
SIGMA = 0.2
"""First step size of CMA-ES, as a share of each range."""


@dataclass(frozen=True)
class Sampler:
    """Draws the values of trials.

    Parameters
    ----------
    name : str
    space : Space
    goal : Goal
    start : dict of str to value
        The values of trial 0.
    seed : int
    parallel : int
        Trials that are drawn from the same results.
    levels : int
        Values of each range on a grid.
    """

    name: str
    space: Space
    goal: Goal
    start: dict[str, Value]
    seed: int
    parallel: int = 1
    levels: int = 3

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ArgumentError(f"sampler is one of {', '.join(NAMES)}, not {self.name!r}.")
        parse_whole_number("seed", self.seed, 0)
        if self.name != "cmaes":
            return
        require_cmaes()
        if not self.goal.is_single:
            raise ArgumentError(
                "CMA-ES compares trials by one number. Pass goal='weakest', goal='mean' or weights, or another sampler."
            )
        if choices := [part.title for part in self.space.parts if isinstance(part, Choice)]:
            raise ArgumentError(f"CMA-ES varies numbers only, and {choices[0]} is a choice. Use sampler='tpe'.")

    @property
    def batch(self) -> int:
        """Trials after the first that are drawn from the same results; a generation of CMA-ES."""
        if self.name != "cmaes":
            return self.parallel
        return max(self.parallel, 4 + math.floor(3 * math.log(len(self.space.names))))

    @property
    def most(self) -> int | None:
        """Number of trials after which all has been tried; None if there is no such number."""
        return 1 + math.prod(len(axis) for axis in self._axes) if self.name == "grid" else None

    def count_needed(self, number: int) -> int:
        """How many of the first trials must have ended before a trial can be drawn."""
        return 0 if number == 0 else 1 + (number - 1) // self.batch * self.batch

    def draw(self, number: int, trials: Sequence[Trial]) -> dict[str, Value]:
        """The values of a trial.

        Parameters
        ----------
        number : int
        trials : sequence of Trial
            At least the first `count_needed(number)`, in order; later ones are not looked at.
        """
        known = [t for t in trials[: self.count_needed(number)] if t.is_finished]
        if number == 0:
            return dict(self.start)
        if self.name == "grid":
            return dict(zip(self.space.names, self._grid(number - 1), strict=True))
        if self.name == "cmaes":
            return self._draw_by_cmaes(number, known)
        complete = [t for t in known if t.state in ("complete", "pruned") and t.objective]
        if self.name == "tpe" and len(complete) >= STARTUP:
            return self._draw_by_tpe(number, complete)
        return self._draw_at_random(self._generator(number))

    # --- at random, on a grid ---

    def _generator(self, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, number])

    def _draw_at_random(self, generator: np.random.Generator) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for name, part in self.space.dimensions.items():
            share = float(generator.random())
            options = part.options if isinstance(part, Choice) else ()
            found[name] = part.scale(share) if isinstance(part, Range) else options[int(share * len(options))]
        return found

    @cached_property
    def _axes(self) -> list[list[Value]]:
        def axis(part: Range | Choice) -> list[Value]:
            if isinstance(part, Choice):
                return list(part.options)
            return [part.scale(i / (self.levels - 1) if self.levels > 1 else 0.5) for i in range(self.levels)]

        return [axis(part) for part in self.space.dimensions.values()]

    def _grid(self, index: int) -> list[Value]:
        """A point of the grid; small grids are gone through in a random order, large ones point by point."""
        count = math.prod(len(axis) for axis in self._axes)
        if count <= 1_000_000:
            index = random.Random(f"{self.seed}").sample(range(count), count)[index]
        point = []
        for axis in reversed(self._axes):
            index, i = divmod(index, len(axis))
            point.append(axis[i])
        return point[::-1]

    # --- TPE ---

    @cached_property
    def _distributions(self) -> dict[str, BaseDistribution]:
        return make_distributions(self.space)

    def _draw_by_tpe(self, number: int, known: Sequence[Trial]) -> dict[str, Value]:
        optuna = require_optuna()
        study = self._mirror(known)
        seed = int(self._generator(number).integers(2**32))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `multivariate`, since 2.2
            study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=0, multivariate=True)
        asked = study.ask(self._distributions)
        study.tell(asked, state=optuna.trial.TrialState.FAIL)  # in the mirror it is of no more use
        drawn = asked.params
        dimensions = self.space.dimensions
        return {
            name: part.clip(float(drawn[name])) if isinstance(part := dimensions[name], Range) else drawn[name]
            for name in self.space.names
        }

    def _mirror(self, known: Sequence[Trial]) -> Any:
        """A study in memory with these trials; it grows with them, as copying thousands for each trial would take long."""
        optuna = require_optuna()
        study, added = self._mirrored.setdefault("study", (None, 0))
        if study is None or added > len(known):
            study, added = optuna.create_study(directions=self.goal.directions), 0
        study.add_trials([_frozen(optuna, t, self._distributions) for t in known[added:]])
        self._mirrored["study"] = study, len(known)
        return study

    @cached_property
    def _mirrored(self) -> dict[str, tuple[Any, int]]:
        return {}

    # --- CMA-ES ---

    def _draw_by_cmaes(self, number: int, known: Sequence[Trial]) -> dict[str, Value]:
        """A sample of a generation, whose distribution follows from the earlier generations."""
        generation = (number - 1) // self.batch
        optimizer, done = self._optimizers.get("optimizer") or (self._new_optimizer(), 0)
        if done > generation:
            optimizer, done = self._new_optimizer(), 0
        while done < generation:
            own = known[1 + done * self.batch : 1 + (done + 1) * self.batch]
            self._tell(optimizer, own)
            done += 1
        self._optimizers["optimizer"] = optimizer, done
        optimizer.reseed_rng(int(self._generator(number).integers(2**32)))
        return {
            name: part.scale(float(min(max(share, 0.0), 1.0)))
            for (name, part), share in zip(self._ranges.items(), optimizer.ask(), strict=True)
        }

    @cached_property
    def _ranges(self) -> dict[str, Range]:
        return {name: part for name, part in self.space.dimensions.items() if isinstance(part, Range)}

    @cached_property
    def _optimizers(self) -> dict[str, tuple[Any, int]]:
        return {}

    def _shares(self, values: Mapping[str, Value]) -> np.ndarray:
        return np.array([part.share(float(values[name])) for name, part in self._ranges.items()])

    def _new_optimizer(self) -> Any:
        bounds = np.array([[0.0, 1.0]] * len(self._ranges))
        mean = self._shares(self.start)
        return require_cmaes().CMA(mean, SIGMA, bounds=bounds, seed=self.seed, population_size=self.batch)

    def _tell(self, optimizer: Any, generation: Sequence[Trial]) -> None:
        """Move the distribution. Trials that failed count as the worst; where all did, nothing is known."""
        costs = {t.number: -self.goal.turned(t.objective)[0] for t in generation if t.objective}
        if costs:
            worst = max(costs.values())
            optimizer.tell([(self._shares(t.values), costs.get(t.number, worst)) for t in generation])


def _frozen(optuna: Any, trial: Trial, distributions: Mapping[str, Any]) -> Any:
    """A finished trial in Optuna's form."""
    complete = trial.state == "complete"
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE if complete else optuna.trial.TrialState.PRUNED,
        params=trial.values,
        distributions=dict(distributions),
        values=trial.objective if complete else None,
        intermediate_values=dict(enumerate(trial.steps)),
    )
