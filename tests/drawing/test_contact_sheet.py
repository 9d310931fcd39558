import numpy as np
import pytest

from steel_defects.drawing.style import contact_sheet, to_png


def titles(figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes if axes.images]


@pytest.mark.parametrize(("shape", "columns"), [((256, 1600), 1), ((200, 200), 3)])
def test_every_picture_is_shown_with_its_caption(shape, columns):
    pictures = [np.full(shape, 20 * k, np.uint8) for k in range(6)]
    figure = contact_sheet(pictures, [f"{k}.jpg: odd" for k in range(6)])
    assert titles(figure) == [f"{k}.jpg: odd" for k in range(6)]
    assert len(figure.axes) == columns * -(-6 // columns)
    assert [axes.images[0].get_array().mean() for axes in figure.axes[:6]] == [
        20 * k for k in range(6)
    ]


@pytest.mark.parametrize("count", range(1, 25))
def test_rows_of_small_pictures_are_not_half_empty(count):
    figure = contact_sheet([np.zeros((200, 200), np.uint8)] * count, ["a.jpg"] * count)
    columns = figure.axes[0].get_subplotspec().get_gridspec().ncols
    assert (len(figure.axes) - count) <= columns / 2 and len(figure.axes) % columns == 0


def test_names_are_no_formulas_and_no_control_characters():
    figure = contact_sheet([np.zeros((20, 90), np.uint8)], ["$\\frac{a}$\x07.jpg"])
    assert titles(figure) == ["$\\frac{a}$?.jpg"]
    assert to_png(figure, 50).startswith(b"\x89PNG")


def test_no_pictures_are_said():
    (axes,) = contact_sheet([], []).axes
    assert axes.texts[0].get_text() == "There are no sheets to show."
