from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_vaemed.plugin.parts.gallery import Exhibit, Gallery

LUNG = (-1350.0, 150.0)


def exhibits(n, chip="4"):
    hu = np.full((32, 32, 32), -600, np.int16)
    hu[16] = 150  # the axial plane is white in the lung window
    return [
        Exhibit(hu, "CT", chip, "#D55E00", "#FFFFFF", "", (f"N{i}", "d 1"), "mal 4", f"twin {i}")
        for i in range(n)
    ]


@pytest.fixture
def gallery(qtbot):
    made = Gallery(LUNG)
    qtbot.addWidget(made)
    made.resize(340, 100)
    made.exhibit(exhibits(7))
    return made


def grey_at(card, plane):
    """The grey of a card's plane, away from its writing."""
    picture = card.grab().toImage()
    edge = (card.width() - 96) // 3 - 2
    ratio = picture.width() / card.width()
    x, y = plane * (edge + 2) + edge // 2, edge // 4
    return picture.pixelColor(int(x * ratio), int(y * ratio)).red()


def test_cards_stand_below_each_other_and_tell_which_was_clicked(gallery):
    places = [card.geometry() for card in gallery.cards]
    assert max(place.right() for place in places) < 340
    assert not any(a.intersects(b) for i, a in enumerate(places) for b in places[i + 1 :])
    assert gallery.height() >= max(place.bottom() for place in places)
    chosen = []
    gallery.chosen.connect(chosen.append)
    gallery.cards[5].click()
    assert chosen == [5]


def test_a_card_can_be_chosen_by_the_keyboard(gallery, qtbot):
    chosen = []
    gallery.chosen.connect(chosen.append)
    qtbot.keyClick(gallery.cards[2], Qt.Key.Key_Space)
    assert chosen == [2]
    assert gallery.cards[2].accessibleName() == "4 N2 d 1"


def test_three_planes_are_drawn_in_one_window_that_can_change(gallery):
    card = gallery.cards[0]
    assert grey_at(card, 0) == 255
    assert grey_at(card, 1) == grey_at(card, 2) == pytest.approx(127, abs=1)
    gallery.show_window((-700.0, -500.0))
    assert grey_at(card, 1) == pytest.approx(127, abs=1)
    gallery.show_window((-600.0, 2000.0))
    assert grey_at(card, 1) == 0


def test_a_card_without_a_chip_is_no_button(qtbot):
    gallery = Gallery(LUNG)
    qtbot.addWidget(gallery)
    gallery.exhibit(exhibits(1, chip=""))
    assert gallery.cards[0].focusPolicy() == Qt.FocusPolicy.NoFocus


def test_a_new_exhibition_replaces_the_old_one(gallery):
    gallery.exhibit(exhibits(2))
    assert [card.toolTip() for card in gallery.cards] == ["twin 0", "twin 1"]
    gallery.mark(1)
    assert [card.marked for card in gallery.cards] == [False, True]


def test_in_a_narrow_dock_the_foot_stands_below_the_lines(qtbot):
    one = replace(exhibits(1)[0], lines=("N", "Ø 9 mm", "d 0.38", "alike 0.46", "over 99.6 %"))
    gallery = Gallery(LUNG)
    qtbot.addWidget(gallery)
    gallery.exhibit([one])
    for width in (285, 500):
        gallery.resize(width, 100)
        plane = (width - 96) // 3 - 2
        assert gallery.cards[0].height() >= max(2 + 5 * 15, min(plane, 112)) + 15
    gallery.exhibit([replace(one, foot="")])
    gallery.resize(285, 100)
    assert gallery.cards[0].height() >= 2 + 5 * 15
