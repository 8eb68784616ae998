from qtpy.QtWidgets import QLabel

from napari_vaemed.plugin.parts.fold import Fold


def test_a_fold_shows_its_inside_only_while_it_is_open(qtbot):
    fold, inside = Fold("Report", "What was done"), QLabel("lines")
    qtbot.addWidget(fold)
    fold.body.addWidget(inside)
    assert not inside.isVisibleTo(fold)
    fold.head.click()
    assert inside.isVisibleTo(fold)
    fold.unfold(False)
    assert not inside.isVisibleTo(fold)


def test_a_fold_opens_from_the_keyboard(qtbot):
    from qtpy.QtCore import Qt

    fold = Fold("Report", "What was done")
    qtbot.addWidget(fold)
    qtbot.keyClick(fold.head, Qt.Key.Key_Space)
    assert fold.inside.isVisibleTo(fold)
