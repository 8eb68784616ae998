import re

import pytest

from napari_vaemed.plugin import theme


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("score", [1, 1.5, 2, 3, 3.5, 4, 5])
def test_numbers_on_the_malignancy_scale_can_be_read(score):
    colour = theme.malignancy_colour(score)
    assert contrast(colour, theme.ink_on(colour)) > 3  # WCAG for large text


def test_the_scale_runs_from_blue_to_vermilion():
    assert theme.malignancy_colour(1) == theme.BLUE
    assert theme.malignancy_colour(3) == theme.MIDDLE
    assert theme.malignancy_colour(5) == theme.VERMILION


def test_no_finding_has_a_lung_s_colour():
    assert not set(theme.FINDING_COLOURS) & set(theme.LUNG_COLOURS.values())


def test_the_lung_window_is_level_600_width_1500():
    assert theme.LUNG_WINDOW.limits == (-1350.0, 150.0)


@pytest.mark.parametrize("name", ["dark", "light"])
def test_quiet_text_can_be_read_in_both_themes(name):
    from napari.utils.theme import get_theme

    quiet = re.search(r'kind="quiet"\] \{ color: (#\w{6})', theme.panel_style(name)).group(1)
    ground = get_theme(name).background.as_hex(format="long")
    assert contrast(quiet, ground) > 4.5
