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


def test_the_hint_says_where_the_mask_came_from(chest, qtbot, idle):
    widget = LungsWidget(chest.viewer)
    qtbot.addWidget(widget)
    widget.choose("threshold")
    widget.prepare()
    idle(chest)
    assert "threshold" in widget.hint.text()
    widget.choose("network")
    widget.prepare()
    idle(chest, timeout=120_000)
    assert "U-Net" in widget.hint.text()
    assert "LIDC-IDRI" in widget.hint.text()
    assert "12 phantoms" in widget.hint.text()


def test_r231_needs_its_file(chest, qtbot, idle, tmp_path):
    widget = LungsWidget(chest.viewer)
    qtbot.addWidget(widget)
    widget.choose("r231", tmp_path / "unet_r231-none.pth")
    assert "R231" in widget.method.currentText()
    widget.prepare()
    idle(chest, timeout=60_000)
    assert "unet_r231-none.pth" in widget.message.text.text()
