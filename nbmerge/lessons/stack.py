"""A stack of layers of two models, to rearrange: what the recipe of slices is, and what breaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from traitlets import Tuple, validate

from nbmerge.demo import family
from nbmerge.displays.markup import Markup
from nbmerge.errors import NbmergeError
from nbmerge.lessons.interactive_figure import InteractiveFigure, render
from nbmerge.lessons.stacking import Layer, StackBuilder, StackMeasurement, Texts, list_demo_texts, write_slices
from nbmerge.palette import INK, label_colours
from nbmerge.plots import theme
from nbmerge.plots.figures import DPI, NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.recipe import Recipe
from nbmerge.sizes import count_in_words, human
from nbmerge.widgets.controls.guard import Guard
from nbmerge.widgets.controls.view import View

LABEL = "Loss of a stack of layers on each text, beside that of both models"
MARKERS = (("o", -0.15), ("D", 0.15))
"""Shapes of the first and the second model's marks, and where they are within a bar, so that none hides the other."""
LEFT, SIDE, TOP, BOTTOM, BAR, TILES = 84, 14, 30, 44, 34, 40
"""Margins, and heights of a bar and of the row of layers, in pixels."""


def draw_stack(
    layers: Sequence[Layer],
    first: Any = None,
    second: Any = None,
    texts: Texts | None = None,
    *,
    theme: Theme = "auto",
    width: float = 640 / DPI,
    font_size: float = FONT,
) -> tuple[NotebookFigure, str]:
    """Draw a stack of layers of two models, and its loss on a few texts beside that of both models.

    Parameters
    ----------
    layers : sequence of (str, int)
        The model and the number of each layer, from the first layer of the stack to the last.
    first, second, texts
        As in `Stack`.
    theme, width, font_size
        As in `Recipe.plot`.

    Returns
    -------
    (Figure, str)
        The figure, and what it shows in a sentence.

    Raises
    ------
    ArgumentError, RecipeError, SampleError
        For layers that a model does not have or that do not fit together, and for texts that cannot be measured.

    Examples
    --------
    >>> layers = [("reverser", i) for i in range(5)] + [("shouter", i) for i in range(5, 8)]
    >>> figure, words = nbm.lessons.draw_stack(layers)
    >>> words
    '8 layers: reverser 0–4, shouter 5–7. Loss per token: story ...'
    """
    builder = make_builder(first, second, texts)
    try:
        measured = builder.measure(layers)
    finally:
        builder.close()
    return draw_measured(measured, builder.whole, Look(theme, font_size), width), str(measured)


def make_builder(first: Any, second: Any, texts: Texts | None) -> StackBuilder:
    """A builder for two models, by default the bundled fine-tunes."""
    bundled = family().experts.values()
    first, second = (given or own for given, own in zip((first, second), bundled, strict=True))
    return StackBuilder(first, second, list_demo_texts() if texts is None else texts)


def draw_measured(
    measured: StackMeasurement,
    whole: Mapping[str, StackMeasurement],
    look: Look,
    width: float = 640 / DPI,
    *,
    tiles: bool = True,
) -> NotebookFigure:
    """Draw what was measured, with the row of layers above it or without."""
    pixels, scale = width * DPI, look.scale
    inner, above = BAR * len(measured.losses) * scale, (TOP + (TILES if tiles else 0)) * scale
    height = inner + above + BOTTOM * scale
    figure = NotebookFigure(pixels, height, look)
    left, wide = LEFT * scale / pixels, 1 - (LEFT + SIDE) * scale / pixels
    if tiles:
        row = figure.add_axes((left, 1 - TILES * scale / height, wide, (TILES - 10) * scale / height))
        _draw_tiles(row, measured.layers, whole)
    _draw_losses(figure.add_axes((left, BOTTOM * scale / height, wide, inner / height)), measured, whole)
    return figure


def _draw_tiles(axes: Axes, layers: Sequence[Layer], whole: Mapping[str, StackMeasurement]) -> None:
    """The layers of the stack from left to right, in the colours of their models."""
    look, colours = theme.look_of(axes), label_colours(whole, None)
    axes.set_axis_off()
    axes.set_xlim(0, max(len(layers), 12))
    axes.set_ylim(0, 1)
    axes.text(-0.15, 0.5, "stack", ha="right", va="center", color=look.ink, fontsize=look.font_size)
    for place, (model, number) in enumerate(layers):
        axes.add_patch(Rectangle((place + 0.04, 0), 0.92, 1, facecolor=colours[model], linewidth=0))
        size = look.font_size if len(layers) <= 32 else look.small * 0.75
        axes.text(place + 0.5, 0.5, str(number), ha="center", va="center", color="#ffffff", fontsize=size)


def _draw_losses(axes: Axes, measured: StackMeasurement, whole: Mapping[str, StackMeasurement]) -> None:
    """A bar for each text, with marks where both models are."""
    theme.dress(axes, xlabel="loss per token (nats)", grid=False)
    look, colours = theme.look_of(axes), label_colours(whole, None)
    places = range(len(measured.losses))
    axes.barh(places, list(measured.losses.values()), 0.5, color=INK, alpha=0.6, label="stack")
    for (marker, shift), (label, model) in zip(MARKERS, whole.items(), strict=True):
        axes.scatter(
            list(model.losses.values()), [place + shift for place in places], marker=marker, s=30 * look.scale,
            color=colours[label], zorder=3, label=theme.plain(theme.shortened(label)), clip_on=False,
        )  # fmt: skip
    axes.axvline(measured.guess, color=look.ink, linewidth=1, linestyle=(0, (4, 3)), label="guessing")
    axes.set_yticks(places, [theme.plain(theme.shortened(name, 12)) for name in measured.losses])
    axes.set_ylim(len(measured.losses) - 0.5, -0.5)
    most = max(loss for m in (measured, *whole.values()) for loss in m.losses.values())
    axes.set_xlim(0, max(1.25 * measured.guess, 1.05 * most))
    axes.legend(frameon=False, labelcolor=look.ink, fontsize=look.font_size, loc="lower left", ncols=4,
                bbox_to_anchor=(0, 1), borderaxespad=0.2)  # fmt: skip


class StackView(View):
    """The stack in the browser: layers of two models to insert, and those of the stack to move, repeat and remove.

    Parameters
    ----------
    depths : mapping of str to int
        How many layers each model has, by name.
    layers : sequence of (str, int)
        The stack to begin with.
    check : callable
        Raises for layers that cannot be stacked.
    guard : Guard

    Attributes
    ----------
    value : tuple of (str, int)
        The stack.
    """

    script = "stack"

    value = Tuple()

    def __init__(
        self,
        depths: Mapping[str, int],
        layers: Sequence[Layer],
        check: Callable[[Sequence[Layer]], tuple[Layer, ...]],
        guard: Guard,
    ):
        super().__init__({"arrange": self._arrange, "undo": self._undo, "start_over": self._start_over}, guard)
        self._names, self._depths, self._check = list(depths), depths, check
        self._first, self._past = tuple(layers), list[tuple[Layer, ...]]()
        self.value = self._first

    @validate("value")
    def _validate(self, proposal: Any) -> tuple[Layer, ...]:
        return self._check(proposal["value"])

    def tell(self, summary: str, recipe: str) -> None:
        """Show the stack with the size of the result and its recipe."""
        colours = label_colours(self._names, None)
        models = [{"label": name, "colour": colours[name], "depth": self._depths[name]} for name in self._names]
        layers = [[self._names.index(model), number] for model, number in self.value]
        self.show({
            "models": models, "layers": layers, "summary": summary, "recipe": recipe, "can_undo": bool(self._past),
        })  # fmt: skip

    def _arrange(self, layers: list[list[int]]) -> None:
        """Take the stack that the browser shows."""
        if any(len(layer) != 2 or not 0 <= layer[0] < len(self._names) for layer in layers):
            raise NbmergeError("The browser sent a layer of no model. Reload the page.")
        self._change(tuple((self._names[model], number) for model, number in layers))

    def _undo(self) -> None:
        if self._past:
            self.value = self._past.pop()

    def _start_over(self) -> None:
        self._change(self._first)

    def _change(self, layers: tuple[Layer, ...]) -> None:
        before = self.value
        if layers == before:
            return
        self._past.append(before)
        try:
            self.value = layers
        except Exception:
            self._past.pop()
            self.value = before  # what cannot be measured is not shown
            raise


class Stack(InteractiveFigure):
    """Layers of two models to rearrange: move, repeat, remove or insert them, and see the recipe and what breaks.

    Parameters
    ----------
    first, second : path-like or str, optional
        Two models whose layers are equally wide. Default: the bundled fine-tunes.
    texts : mapping of str to sequence of (str, str), optional
        Prompts and what follows them, by name: the loss on what follows is shown. Default: a story, and both skills of the
        bundled models on held-out words.

    Attributes
    ----------
    recipe : Recipe
        The recipe of slices that the stack means.
    measured : StackMeasurement
        Its size, and its loss on each text.

    Raises
    ------
    ArgumentError
        If both models are the same.

    Examples
    --------
    >>> stack = nbm.lessons.Stack()
    >>> stack.set(layers=[("reverser", layer) for layer in (0, 1, 2, 3, 4, 4, 5, 6, 7)])
    >>> stack.description
    '9 layers: reverser 0–4, reverser 4–7. Loss per token: story ...'
    >>> stack.measured.losses["reverse"] < 1
    True
    """

    measured: StackMeasurement

    def __init__(self, first: Any = None, second: Any = None, texts: Texts | None = None):
        self.builder = make_builder(first, second, texts)
        (one, half), (other, depth) = ((label, depth) for label, depth in self.builder.depths.items())
        half //= 2
        layers = [(one, i) for i in range(half)] + [(other, i) for i in range(half, depth)]
        self.errors = Guard()
        self.view = StackView(self.builder.depths, layers, self.builder.check, self.errors)
        super().__init__(self._draw, {"layers": self.view}, LABEL)
        self.at_close(self.builder.close)
        self.children = (*self.children, self.errors)

    @property
    def recipe(self) -> Recipe:
        """The recipe of slices that the stack means."""
        return self.builder.recipe(self.view.value)

    def _draw(self, layers: Sequence[Layer]) -> tuple[NotebookFigure, str]:
        self.measured = measured = self.builder.measure(layers)
        named = Recipe.of(write_slices(measured.runs, {label: label for label in self.builder.depths}))
        size = f"{count_in_words(measured.parameters)} parameters · {human(measured.size)}"
        self.view.tell(f"{measured.count} · {size}", named.to_yaml())
        return draw_measured(measured, self.builder.whole, Look(), tiles=False), str(measured)

    def _draw_still(self) -> Markup:
        """Where no kernel runs, the picture has the layers, too."""
        return render(draw_measured(self.measured, self.builder.whole, Look()), self.label)
