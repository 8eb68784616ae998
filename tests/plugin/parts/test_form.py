"""Editors of settings."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QScrollArea, QVBoxLayout, QWidget

from napari_vaemed.data.form import Field
from napari_vaemed.plugin.parts.form import FormGrid

FIELDS = (
    Field("latent_dims", 24, tip="Length of the code."),
    Field("rate", 3e-3),
    Field("likelihood", "normal", ("normal", "uniform")),
    Field("deep", False),
    Field("project", ""),
)


@pytest.fixture
def grid(qtbot):
    grid = FormGrid(FIELDS, columns=2)
    qtbot.addWidget(grid)
    return grid


def test_the_defaults_stand_in_the_form_with_their_types(grid):
    assert grid.values() == {field.name: field.default for field in FIELDS}
    assert [type(value) for value in grid.values().values()] == [int, float, str, bool, str]
    assert grid.changed == []
    assert "Length of the code." in grid.editors["latent_dims"].toolTip()
    assert "Default: 24" in grid.names["latent_dims"].toolTip()


def test_what_is_set_comes_back_exactly_and_is_marked_until_it_is_reset(grid):
    wanted = {"latent_dims": 8, "rate": 1.2345678e-05, "likelihood": "uniform", "deep": True,
              "project": "mine"}  # fmt: skip
    grid.fill({**wanted, "of another version": 1})
    assert grid.values() == wanted
    assert grid.changed == list(wanted)
    assert grid.names["rate"].property("kind") == "key"
    grid.reset()
    assert grid.changed == []
    assert grid.names["rate"].property("kind") == "quiet"


def test_typing_is_told_filling_is_not(grid, qtbot):
    with qtbot.assertNotEmitted(grid.edited):
        grid.fill({"deep": True, "rate": 1.0})
    with qtbot.waitSignal(grid.edited, timeout=1000):
        grid.editors["deep"].click()
    grid.editors["rate"].clear()
    with qtbot.waitSignal(grid.edited, timeout=1000):
        qtbot.keyClicks(grid.editors["rate"], "5e-4")
    assert grid.values()["rate"] == 5e-4


def test_a_value_of_another_version_is_shown_among_the_choices(grid):
    grid.fill({"likelihood": "cauchy"})
    assert isinstance(grid.editors["likelihood"], QComboBox)
    assert grid.values()["likelihood"] == "cauchy"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [("latent_dims", "", "Latent dims must be a whole number"), ("rate", "1e", "Rate must be a n")],
)
def test_what_is_no_number_is_named(grid, name, text, message):
    grid.editors[name].setText(text)
    with pytest.raises(ValueError, match=message):
        grid.values()
    assert grid.changed == [name]


def test_a_narrow_form_takes_one_column_and_nothing_is_cut_off(qtbot):
    long = (
        Field("published_networks", False),
        Field("distance", "euclid", ("euclid", "wasserstein", "bhattacharyya")),
        Field("unlabelled_weight", 1.0),
        Field("agreement_weight", 100.0),
    )
    dock = QScrollArea()
    dock.setWidgetResizable(True)
    dock.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    dock.setWidget(QWidget())
    body = QVBoxLayout(dock.widget())
    qtbot.addWidget(dock)
    dock.resize(320, 300)
    dock.show()
    grid = FormGrid(long, columns=2)
    body.addWidget(grid)
    body.addStretch(1)

    def columns():
        return len({editor.x() for editor in grid.editors.values()})

    def cut_off():
        parts = [*grid.names.values(), *grid.editors.values()]
        return [part for part in parts if part.width() < part.minimumSizeHint().width()
                or part.height() < part.minimumSizeHint().height()
                or part.geometry().right() >= grid.width()]  # fmt: skip

    for width, wanted in ((320, 1), (800, 2), (320, 1)):
        dock.resize(width, 300)
        qtbot.waitUntil(lambda wanted=wanted: columns() == wanted and not cut_off())
        assert dock.widget().width() <= dock.viewport().width()
