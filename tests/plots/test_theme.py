import io
import threading

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from nbmerge.plots import layer_curves, new_axes, theme, to_png


def contrast(one: str, two: str) -> float:
    """WCAG contrast ratio."""

    def luminance(colour: str) -> float:
        c = np.array(matplotlib.colors.to_rgb(colour))
        return float(np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])

    high, low = sorted((luminance(one), luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def picture(png: bytes) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(png), format="png")


@pytest.mark.parametrize("ground", ["#ffffff", "#111111"])
def test_text_and_lines_stand_out_on_both_grounds(ground):
    assert contrast(theme.INK, ground) > 4.3
    assert all(contrast(colour, ground) > 3 for colour in theme.PALETTE)


def test_a_figure_has_the_size_asked_for_and_no_ground():
    axes = theme.dress(new_axes(420, 200))
    assert theme.pixels(axes) == pytest.approx((420 - theme.LEFT - theme.RIGHT, 200 - theme.TOP - theme.BOTTOM))
    image = picture(to_png(axes))
    assert image.shape == (200, 420, 4)
    assert image[0, 0, 3] == 0
    assert image[..., 3].max() == 1
    assert picture(to_png(axes, dpi=192)).shape == (400, 840, 4)


def test_png_takes_figures_axes_and_subfigures():
    figure = Figure(figsize=(2, 1), dpi=50)
    part, _ = figure.subfigures(1, 2)
    axes = part.add_subplot()
    assert to_png(figure) == to_png(axes) == to_png(part)


@pytest.mark.slow
def test_the_same_figure_gives_the_same_bytes_from_any_thread():
    import pandas as pd

    axes = layer_curves(pd.DataFrame({"a": [0.1, 0.2], "b": [0.3, 0.2]}))
    expected, found = to_png(axes), []
    threads = [threading.Thread(target=lambda: found.append(to_png(axes))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_colours_follow_the_order_of_names():
    names = [f"model {i}" for i in range(8)]
    colours = theme.colours(names)
    assert list(colours) == names
    assert len(set(list(colours.values())[:6])) == 6
    assert theme.colours(names[:3]).items() <= colours.items()


def test_long_names_keep_both_ends():
    name = "Mistral-7B-Instruct-v0.3-abliterated"
    short = theme.shortened(name, 20)
    assert len(short) == 20
    assert name.startswith(short.split("…")[0])
    assert name.endswith(short.split("…")[1])
    assert theme.shortened("base", 20) == "base"


def test_names_of_rows_fit_into_the_margin():
    axes = theme.new_axes()
    theme.name_rows(axes, ["merge", "gemma-maths-mmlu", "$a$"])
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert shown[0] == "merge"
    assert shown[2] == r"\$a\$"
    axes.figure.draw_without_rendering()
    assert all(label.get_window_extent().x0 >= 0 for label in axes.get_yticklabels())
