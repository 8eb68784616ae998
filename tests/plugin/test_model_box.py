import pytest

from napari_vaemed.io.checkpoints import read_model
from napari_vaemed.io.weights import shipped_nodule_models
from napari_vaemed.plugin.expert import OtherModel
from napari_vaemed.plugin.widgets.latent import LatentWidget


@pytest.fixture
def widget(chest, qtbot, idle, voxels):
    made = LatentWidget(chest.viewer)
    qtbot.addWidget(made)
    chest.click(voxels[0])
    idle(chest)
    return made


def test_another_shipped_model_describes_the_finding_anew_and_its_latents_get_sliders(
    widget, chest, idle
):
    small = shipped_nodule_models()[1]
    before = chest.case.description_of(chest.case.finding)
    widget.model_box.choose(small.name)
    idle(chest)
    answers = chest.answers
    assert answers.expert.model.sha256 == read_model(small.model, "cpu").sha256
    assert chest.case.description_of(chest.case.finding) is not before
    assert list(widget.sliders) == [axis.dim for axis in answers.expert.axes]
    assert all(axis.corner for axis in answers.expert.axes)  # shares of a simplex
    assert answers.expert.model.sha256[:8] in widget.strip.about.text()
    widget.model_box.choose(shipped_nodule_models()[0].name)
    assert answers.other is None


def test_the_box_follows_whoever_switches_the_model(widget, chest, idle):
    box, (first, small, *_) = widget.model_box, shipped_nodule_models()
    titles = [box.itemText(place) for place in range(box.count())]
    assert titles == [shipped.title for shipped in shipped_nodule_models()]
    chest.answers.switch(OtherModel(small.model, small.index))
    assert box.currentText() == small.title
    chest.answers.switch(OtherModel(small.model, small.index, small.model.parent))
    assert box.currentText() == "Own model"
    chest.answers.switch(None)
    assert box.currentText() == first.title
    assert box.count() == len(titles)
    idle(chest)
