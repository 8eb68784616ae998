import csv

import numpy as np
import pytest
from napari.layers import Labels, Points, Shapes

from napari_vaemed.data.caliper import Caliper, MeasuredCaliper
from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.plugin.cases import Finding
from napari_vaemed.plugin.finding_rows import COLOURS_BY, DENSITY, NUMBER
from napari_vaemed.plugin.layers import labels_to_layer
from napari_vaemed.plugin.theme import finding_colour
from napari_vaemed.preprocessing.calipers import measure_caliper
from napari_vaemed.segmentation.measure import measure_nodule
from napari_vaemed.workflow.examine import Marked


@pytest.fixture
def truth(chest, small_phantom):
    """The phantom's own mask of its nodules as somebody's Labels layer."""
    layer_data = labels_to_layer(small_phantom.nodules, small_phantom.volume, "Reader 2")
    return chest.add(layer_data)


@pytest.fixture
def two(chest, small_phantom):
    """Two findings with the outlines of the truth, as if a hand had drawn them."""
    found = []
    for label in (1, 2):
        mask = NoduleMask.of(small_phantom.nodules == label)
        measured = measure_nodule(small_phantom.volume, mask)
        found.append(Finding(label, Marked(tuple(map(float, mask.start)), mask, measured)))
    chest.findings.put(chest.case, tuple(found))
    return chest


def test_a_label_of_another_layer_becomes_a_finding_and_is_described(chest, truth, idle,
                                                                     small_phantom):  # fmt: skip
    truth.selected_label = 2
    chest.finding_list.take(truth)
    idle(chest)
    (finding,) = chest.case.findings
    voxels = (small_phantom.nodules == 2).sum()
    assert finding.marked.mask.voxels.sum() == voxels
    assert len(chest.case.description_of(finding).neighbours) == 10
    assert chest.case.selected == finding.label
    assert "1 finding was taken" in chest.messages["findings"].text


def test_selecting_another_finding_describes_that_one(two, idle):
    first, second = two.case.findings
    said = []
    two.answers.described.connect(lambda: said.append(two.case.description_of(two.case.finding)))
    two.findings.select(first.label)
    idle(two)
    two.findings.select(second.label)
    idle(two)
    assert two.case.description_of(first) is not two.case.description_of(second)
    assert said[-1] is two.case.description_of(second)


def test_all_labels_become_findings_once(chest, truth, idle, small_phantom):
    chest.finding_list.take(truth, everything=True)
    idle(chest)
    assert len(chest.case.findings) == len(np.unique(small_phantom.nodules)) - 1
    chest.finding_list.take(truth, everything=True)
    idle(chest)
    assert chest.messages["findings"].text == "These are findings already."
    chest.findings.undo()
    assert chest.case.findings == ()


def test_points_are_clicked_where_they_lie(chest, idle, voxels):
    world = [chest.case.world(voxel) for voxel in voxels[:2]]
    points = chest.viewer.add_points(world)
    points.selected_data = {1}
    chest.finding_list.take(points)
    idle(chest)
    (finding,) = chest.case.findings
    off = chest.case.volume.to_voxel(finding.marked.measurement.centre_mm) - voxels[1]
    assert np.linalg.norm(off * chest.case.volume.spacing) < 6


def test_a_caliper_becomes_a_finding_with_its_diameters(chest, idle):
    volume = chest.case.volume
    drawn = Caliper("line", 0, ((40.0, 80.0, 40.0), (40.0, 80.0, 45.0)))
    measured = MeasuredCaliper(1, drawn, measure_caliper(drawn, volume))
    chest.case.calipers.change((measured,))
    chest.finding_list.take_caliper()
    idle(chest)
    (finding,) = chest.case.findings
    assert finding.marked.measurement.longest_mm == pytest.approx(measured.reading.length_mm)


def test_nothing_to_take_is_said(chest, idle):
    chest.finding_list.take_caliper()
    assert "Draw a line" in chest.messages["findings"].text
    chest.finding_list.take_active()
    assert "Make the layer active" in chest.messages["findings"].text
    assert chest.finding_list.take(Shapes(ndim=3)) is None


def test_own_layers_are_not_offered_to_be_taken(two, truth):
    points = Points(np.zeros((1, 3)), name="places")
    two.viewer.add_layer(points)
    two.viewer.add_layer(Labels(np.zeros((4, 4), np.uint8)))
    two.viewer.layers.selection.active = truth
    assert two.finding_list.takeable() == [truth, points]


def test_a_name_can_be_given_and_taken_back(two):
    two.finding_list.rename(1, "  right   apex ")
    assert two.case.findings[0].name == "right apex"
    assert two.case.masks[1].name == "right apex"
    two.findings.undo()
    assert two.case.findings[0].name == "Finding 1"
    two.finding_list.rename(1, "Finding 1")
    assert two.case.findings[0].title == ""


def test_a_name_stays_through_a_brush_stroke_and_an_outline_can_be_hidden(two, idle, qtbot):
    two.finding_list.rename(1, "apex")
    before = two.case.findings[0].marked
    layer = two.case.masks[1]
    layer.mode = "paint"
    layer.brush_size = 12
    layer.paint(np.argwhere(np.asarray(layer.data) > 0).mean(0).round().astype(int), 1)
    qtbot.waitUntil(lambda: two.case.findings[0].marked is not before, timeout=5000)
    idle(two)
    assert next(f for f in two.case.findings if f.label == 1).name == "apex"
    two.finding_list.show(2, False)
    assert not two.case.masks[2].visible
    assert not two.finding_list.is_shown(2)
    two.findings.select(2)
    two.finding_list.toggle_shown()
    assert two.finding_list.is_shown(2)


def test_the_list_is_sorted_by_any_column_and_steps_in_that_order(two):
    sizes = {f.label: f.marked.measurement.mean_mm for f in two.case.findings}
    two.finding_list.sort(1)
    rising = [row.finding.label for row in two.finding_list.rows]
    assert rising == sorted(sizes, key=sizes.__getitem__)
    two.finding_list.sort(1)
    assert [row.finding.label for row in two.finding_list.rows] == rising[::-1]
    two.findings.select(rising[1])
    two.finding_list.step(1)
    assert two.case.selected == rising[0]
    two.finding_list.step(1)
    assert two.case.selected == rising[1]


def test_outlines_can_tell_something_by_their_colour(two):
    from napari.utils.colormaps.standardize_color import transform_color

    one, other = (f.marked.measurement.density for f in two.case.findings)
    for by in (*COLOURS_BY, NUMBER):
        two.finding_list.colour(by)
        shown = [two.case.masks[n].colormap.color_dict[n] for n in (1, 2)]
        if by == DENSITY:
            assert np.allclose(*shown) == (one == other)
    assert shown[0] == pytest.approx(transform_color(finding_colour(1))[0], abs=1e-6)


def test_other_plugins_find_the_numbers_in_a_layer_s_features(two, idle):
    assert "Findings" not in two.case.made
    two.finding_list.sit_down()
    idle(two)
    layer = two.case.made["Findings"]
    assert list(layer.features["finding"]) == [1, 2]
    for row, finding in enumerate(two.case.findings):
        measured = finding.marked.measurement
        assert layer.features["mean_mm"][row] == pytest.approx(measured.mean_mm)
        assert layer.data[row][::-1] == pytest.approx(measured.centre_mm, abs=1e-3)
    two.findings.measure_errors()
    idle(two)
    bars = two.case.bars_of(two.case.findings[0])
    assert two.case.made["Findings"] is layer
    assert layer.features["volume_mm3_high"][0] == pytest.approx(bars.volume_mm3.high)
    two.findings.remove(1)
    idle(two)
    assert list(layer.features["finding"]) == [2]
    assert len(layer.data) == 1
    two.findings.remove(2)
    idle(two)
    assert len(layer.data) == 0


def test_the_csv_has_bars_guideline_and_model_but_nobody_s_name(two, idle, tmp_path):
    answers = {"setting": "incidental", "age_35": True, "cancer": False, "immune": False}
    two.case.answers |= {**answers, "risk": "low"}
    two.findings.measure_errors()
    idle(two)
    two.finding_list.save_csv(tmp_path / "list.csv")
    idle(two)
    with (tmp_path / "list.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["finding"] for row in rows] == ["1", "2"]
    assert float(rows[0]["mean_mm_low"]) < float(rows[0]["mean_mm"])
    assert rows[0]["outlined_by"] == "hand"
    assert rows[0]["volume_ratio"] == ""
    assert rows[0]["guideline"]
    assert "nan" not in (tmp_path / "list.csv").read_text()
    assert not any("patient" in name for name in rows[0])
    assert two.case.unsaved() == ()
