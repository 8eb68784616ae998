import numpy as np

from napari_vaemed.io.volumes import read_mask
from napari_vaemed.plugin.widgets.lungs import LungsWidget


def test_prepare_shows_volumes_and_the_mask_can_be_saved_and_read_back(
    chest, qtbot, idle, tmp_path
):
    widget = LungsWidget(chest.viewer)
    qtbot.addWidget(widget)
    assert widget.prepare_button.text() == "Prepare"
    widget.prepare()
    assert not widget.prepare_button.isEnabled()
    idle(chest)
    assert widget.prepare_button.text() == "Prepare again"
    right = widget.table.item(0, 1).text()
    assert right == f"{chest.case.lung_ml['right']:.0f}"
    assert widget.table.as_text().splitlines()[0] == "Lung\tml"
    widget.save(tmp_path / "lungs.nrrd")
    idle(chest)
    assert chest.messages["lungs"].text == "Saved lungs.nrrd."
    saved = read_mask(tmp_path / "lungs.nrrd", chest.case.volume)
    assert np.array_equal(saved, chest.case.lungs)


def test_a_file_that_cannot_be_written_is_told(chest, qtbot, idle, tmp_path):
    widget = LungsWidget(chest.viewer)
    qtbot.addWidget(widget)
    chest.case.lungs = np.zeros(chest.case.volume.shape, np.uint8)
    widget.save(tmp_path / "lungs.docx")
    idle(chest)
    assert "lungs.docx" in widget.message.text.text()
    assert widget.message.isVisibleTo(widget)
