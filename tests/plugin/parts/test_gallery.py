import numpy as np

from napari_vaemed.plugin.parts.gallery import Exhibit, Gallery
from napari_vaemed.plugin.parts.picture import grey_image


def exhibits(n):
    image = grey_image(np.zeros((32, 32), np.int16), (-1350.0, 150.0))
    return [
        Exhibit(image, 32.0, "decoded", "4", "#D55E00", "#FFFFFF", "", ("d 1", "id"), f"twin {i}")
        for i in range(n)
    ]


def test_cards_fill_the_width_without_overlap_and_tell_which_was_clicked(qtbot):
    gallery = Gallery()
    qtbot.addWidget(gallery)
    gallery.resize(340, 100)
    gallery.exhibit(exhibits(7))
    places = [card.geometry() for card in gallery.cards]
    assert max(place.right() for place in places) < 340
    assert not any(a.intersects(b) for i, a in enumerate(places) for b in places[i + 1 :])
    assert gallery.height() >= max(place.bottom() for place in places)
    chosen = []
    gallery.chosen.connect(chosen.append)
    gallery.cards[5].click()
    assert chosen == [5]


def test_a_new_exhibition_replaces_the_old_one(qtbot):
    gallery = Gallery()
    qtbot.addWidget(gallery)
    gallery.resize(340, 100)
    gallery.exhibit(exhibits(7))
    gallery.exhibit(exhibits(2))
    assert [card.toolTip() for card in gallery.cards] == ["twin 0", "twin 1"]
