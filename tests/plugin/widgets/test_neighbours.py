from dataclasses import replace

import numpy as np
import pytest
from imageio.v3 import imread

from napari_vaemed.data.interval import Interval
from napari_vaemed.data.vote_calibration import VoteBin, VoteCalibration, VoteCurve
from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.widgets.neighbours import NeighboursWidget


@pytest.fixture
def widget(chest, qtbot):
    made = NeighboursWidget(chest.viewer)
    qtbot.addWidget(made)
    return made


def test_before_a_click_it_offers_the_nodule_tool(widget, chest):
    assert widget.is_empty
    widget.empty.buttons[0].click()
    assert chest.tool.on


@pytest.fixture
def described(widget, chest, idle, voxels):
    """The dock with the twins of a clicked nodule."""
    chest.click(voxels[0])
    idle(chest)
    return widget


@pytest.fixture
def calibration(untrained_expert):
    """Made up: the chance is the vote's share drawn in to between 10 and 90 %."""
    curve = VoteCurve((0.0, 1.0), (0.1, 0.9), (VoteBin(0.0, 1.0, 99, 40),),
                      Interval(0.03, 0.02, 0.06), Interval(0.8, 0.7, 0.9))  # fmt: skip
    return VoteCalibration(
        untrained_expert.model.sha256, 20, 99, 40, 50, 1, {}, {"wasserstein2": curve}, curve, {}
    )


def twins_of(chest):
    return chest.twins.found.twins


def test_vote_ruler_and_gallery_agree_with_the_search(described, chest):
    twins = twins_of(chest)
    assert described.vote.text() == str(twins.vote.vote)
    assert "Not calibrated" in described.about.text()
    assert described.ruler.text() == f"By volume alone: {twins.ruler.vote}"
    assert len(described.gallery.cards) == 10
    first = described.gallery.cards[0].exhibit
    assert first.remark == "decoded"
    assert "not CT" in described.kind.text()
    record = twins.neighbours[0].record
    assert record.id in first.tooltip
    assert all(f"{value:g}" in first.foot for value in record.ratings.values())
    assert "random pairs" in first.tooltip
    assert described.query.cards[0].exhibit.remark == "CT"


def test_a_calibrated_vote_tells_its_probability_its_n_and_its_error(
    widget, chest, idle, voxels, untrained_expert, calibration
):
    chest.answers.use(replace(untrained_expert, calibration=calibration), "auto")
    chest.click(voxels[0])
    idle(chest)
    vote = twins_of(chest).vote
    assert vote.chance == pytest.approx(0.1 + 0.8 * vote.score)
    assert f"{100 * vote.chance:.0f} %" in widget.vote.text()
    assert "n = 99" in widget.about.text()
    assert "3.0 % [2.0, 6.0]" in widget.about.text()
    assert "99 held-out votes like this one" in widget.vote.toolTip()
    assert "%" in widget.ruler.text()


def test_filters_change_the_gallery_and_not_the_vote(described, chest, idle):
    before = described.vote.text()
    described.filters.unfold()
    described.filters.size.setChecked(True)
    idle(chest)
    query = twins_of(chest).query
    for one in twins_of(chest).neighbours:
        ratio = one.record.diameter_mm / (6 * query.volume_mm3 / np.pi) ** (1 / 3)
        assert 0.75 <= ratio <= 1.25
    assert len(described.gallery.cards) == len(twins_of(chest).neighbours)
    assert twins_of(chest).candidates < 60
    assert "within ±25%" in described.kind.text()
    assert described.vote.text() == before
    described.filters.reset_button.click()
    idle(chest)
    assert len(described.gallery.cards) == 10
    assert not described.filters.size.isChecked()


def test_another_distance_gives_its_own_twins(described, chest, idle):
    described.filters.unfold()
    box = described.filters.distance
    place = box.findData("cosine")
    box.setCurrentIndex(place)
    box.activated.emit(place)
    idle(chest)
    assert twins_of(chest).distance == "cosine"
    assert "cosine" in described.kind.text()


def test_nodules_of_the_patient_are_left_out_counted_and_warned_of(
    window, idle, qtbot, small_phantom, voxels
):
    known = window.answers.expert.index.records[0]
    volume = replace(small_phantom.volume, patient=known.patient)
    window.add(volume_to_layer(volume))
    made = NeighboursWidget(window.viewer)
    qtbot.addWidget(made)
    window.click(voxels[0])
    idle(window)
    assert made.warning.isVisibleTo(made)
    assert "1 nodule" in made.warning.text()
    assert known.id not in {one.record.id for one in twins_of(window).neighbours}
    assert twins_of(window).candidates == 59
    window.twins.wants(others_only=False)
    idle(window)
    assert twins_of(window).candidates == 60


def test_a_clicked_twin_stands_next_to_the_finding_and_says_why_it_is_near(described, chest, idle):
    described.gallery.cards[3].click()
    idle(chest)
    twins = [layer for layer in chest.viewer.layers if layer.name.startswith("Twin ")]
    assert [layer.name.split(" (")[0] for layer in twins if layer.visible] == ["Twin 4"]
    centre = chest.case.finding.marked.measurement.centre_mm
    middle = twins[0].data_to_world((15.5, 15.5, 15.5))
    assert middle[:2] == pytest.approx(centre[::-1][:2], abs=0.01)
    assert abs(middle[2] - centre[0]) == pytest.approx(36.0, abs=0.01)
    described.why.unfold()
    assert twins_of(chest).neighbours[3].record.id in described.why.of.text()
    agree, differ, volume = (line.text() for line in described.why.lines)
    assert agree.startswith("Agree:")
    assert differ.startswith("Differ:")
    assert "mm³" in volume
    assert described.why.table.rowCount() == 9
    assert described.gallery.cards[3].marked


def test_every_distance_ranks_the_twins_side_by_side(described, chest, idle):
    described.distances.unfold()
    idle(chest)
    table = described.distances.table
    assert table.columnCount() == 13
    first = [table.item(row, 1).text() for row in range(10)]
    assert first == [str(rank) for rank in range(1, 11)]
    assert "12 distances name" in described.distances.text.text()
    assert table.item(table.rowCount() - 1, 0).text() == "%"


def test_pictures_follow_the_window_of_the_ct(described, chest, idle):
    described.show_as_layers(True)
    idle(chest)
    chest.windowing.set_numbers(40, 400)
    assert described.gallery.limits == described.query.limits == (-160.0, 240.0)
    twin = next(layer for layer in chest.viewer.layers if layer.name.startswith("Twin "))
    assert tuple(twin.contrast_limits) == (-160.0, 240.0)


def test_the_figure_of_all_findings_is_written(described, chest, idle, voxels, tmp_path):
    chest.click(voxels[1])
    idle(chest)
    described.export(tmp_path / "one.png", every=False)
    idle(chest)
    described.export(tmp_path / "all.png", every=True)
    idle(chest)
    one, every = (imread(tmp_path / name) for name in ("one.png", "all.png"))
    assert every.shape[0] > one.shape[0]
    assert chest.messages["twins"].text == "Written: all.png"


def test_a_figure_that_cannot_be_written_says_why(described, chest, idle, tmp_path):
    described.export(tmp_path / "nowhere" / "one.png", every=False)
    idle(chest)
    assert "no folder" in chest.messages["twins"].text


def test_twins_lie_beside_the_finding_at_one_millimetre(widget, chest, idle, voxels):
    chest.click(voxels[0])
    idle(chest)
    widget.show_as_layers(True)
    idle(chest)
    twins = [layer for layer in chest.viewer.layers if layer.name.startswith("Twin ")]
    assert len(twins) == 10
    assert all(np.allclose(layer.scale, 1) for layer in twins)
    middle = twins[0].data_to_world((15.5, 15.5, 15.5))
    z = chest.case.finding.marked.measurement.centre_mm[2]
    assert middle[0] == pytest.approx(z, abs=0.01)
    widget.show_as_layers(False)
    assert not any(layer.visible for layer in twins)
    widget.show_as_layers(True)
    idle(chest)
    assert all(layer.visible for layer in twins)


def test_true_crops_are_shown_where_they_are_at_hand(
    widget, chest, idle, voxels, tmp_path, monkeypatch
):
    from napari_vaemed.data.volume import Volume
    from napari_vaemed.io.volumes import write_volume
    from napari_vaemed.plugin import answers
    from napari_vaemed.plugin.preferences import Preferences

    chest.click(voxels[0])
    idle(chest)
    near = chest.case.description_of(chest.case.finding).neighbours[0].record
    hu = np.full((40, 40, 40), -700, np.int16)
    hu[0] = -701
    (tmp_path / "image").mkdir()
    crop = Volume(hu, (1.0, 1.0, 1.0), (-20.0, -20.0, -20.0))
    write_volume(tmp_path / "image" / f"{near.id}.nii.gz", hu, crop)
    monkeypatch.setattr(answers, "preferences", lambda: Preferences(lidc_folder=tmp_path))
    chest.answers.describe_again()
    idle(chest)
    cards = widget.gallery.cards
    assert [card.exhibit.remark for card in cards] == ["CT"] + ["decoded"] * 9
    twin = chest.twins.found.pictures[0]
    assert (twin.hu == -700).all()
    assert widget.scan_button.isEnabled()
    widget.scan_button.click()
    idle(chest)
    assert chest.case.volume.shape == (40, 40, 40)
    centre = chest.case.world(chest.case.volume.to_voxel(near.centre_mm))
    assert chest.viewer.dims.point == pytest.approx(tuple(centre), abs=0.51)


def test_without_its_file_a_twin_s_scan_cannot_be_opened_and_the_button_says_why(described):
    assert not described.scan_button.isEnabled()
    assert "holds no pixels" in described.scan_button.toolTip()
