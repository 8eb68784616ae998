import numpy as np
import pytest

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


def test_vote_ruler_and_gallery_agree_with_the_description(widget, chest, idle, voxels):
    chest.click(voxels[0])
    idle(chest)
    said = chest.case.description_of(chest.case.finding)
    scores = [n.record.malignancy for n in said.neighbours]
    assert widget.vote.text() == f"{sum(s >= 4 for s in scores)} of 10 malignant"
    assert widget.ruler.text() == f"By volume alone: {said.ruler.malignant} of 10 malignant"
    assert len(widget.gallery.cards) == 10
    first = widget.gallery.cards[0].exhibit
    assert first.remark == "decoded"
    assert "not CT" in widget.kind.text()
    assert said.neighbours[0].record.id in first.tooltip


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
    twin = chest.case.pictures_of(chest.case.finding).twins[0]
    assert (twin.hu == -700).all()
