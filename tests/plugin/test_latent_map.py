import csv
import threading
from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.plugin import map_work
from napari_vaemed.plugin.cases import MADE
from napari_vaemed.plugin.map_colours import colours_of, key_of, marks_of, order_of
from napari_vaemed.plugin.map_layers import MOST_PICTURES, PICTURES
from napari_vaemed.plugin.patches import KNOWN
from napari_vaemed.workflow.examine import Expert


@pytest.fixture
def mapped(window, idle):
    """A session whose map is open, without a CT."""
    window.latent_map.sit_down()
    idle(window)
    return window


@pytest.fixture
def marked(chest, voxels, idle):
    """A session whose map is open, with two findings; the second is chosen."""
    chest.latent_map.sit_down()
    for voxel in voxels[:2]:
        chest.click(voxel)
        idle(chest)
    return chest


def around(places, margin=1e-3):
    """A rectangle around places, as a lasso."""
    low, high = np.min(places, axis=0) - margin, np.max(places, axis=0) + margin
    return np.array([low, (high[0], low[1]), high, (low[0], high[1])])


def inside(places, outline):
    low, high = outline.min(axis=0), outline.max(axis=0)
    return np.flatnonzero(((places >= low) & (places <= high)).all(axis=1))


def test_the_map_is_the_plane_of_the_models_two_largest_principal_components(mapped):
    maps = mapped.latent_map
    mean = np.asarray(mapped.answers.expert.index.posterior.mean, float)
    other = PCA(2).fit_transform(mean)
    signs = np.sign((other * maps.places).sum(axis=0))
    assert np.allclose(maps.places, other * signs, atol=1e-4)
    assert maps.colouring.name == "malignancy"


def test_another_model_brings_another_map_and_takes_what_was_chosen_on_the_old_one(mapped, idle):
    maps, old = mapped.latent_map, mapped.answers.expert
    maps.select(np.arange(5))
    maps.choose(3)
    idle(mapped)
    index = old.index
    some = NoduleIndex(index.records[:30], index.posterior[:30], index.model_sha256, index.source)
    mapped.answers.use(Expert(old.model, some, old.axes))
    assert maps.mapped is None
    assert len(maps.selection) == 0
    assert maps.chosen is None
    idle(mapped)
    assert maps.places.shape == (30, 2)
    assert not any(layer.metadata.get(MADE) == PICTURES for layer in mapped.viewer.layers)


def test_a_cancelled_map_leaves_the_one_before_and_the_next_is_not_held_up(
    mapped, idle, qtbot, monkeypatch
):
    maps, release = mapped.latent_map, threading.Event()
    before = maps.mapped
    make = map_work.make

    def slow(expert, method):
        if method == "t-SNE":
            release.wait(20)  # deaf to being stopped
        return (yield from make(expert, method))

    monkeypatch.setattr(map_work, "make", slow)
    job = maps.make("t-SNE")
    assert maps.making
    qtbot.wait(30)
    job.cancel()
    assert not maps.making
    assert (maps.method, maps.mapped) == ("PCA", before)
    maps.make("PCA")
    idle(mapped)
    assert maps.mapped is not before
    release.set()


def test_findings_lie_where_their_codes_do_and_the_chosen_one_stands_out_among_its_twins(
    marked, idle
):
    maps, case = marked.latent_map, marked.case
    mean = np.asarray(marked.answers.expert.index.posterior.mean, float)
    plane = PCA(2).fit(mean)
    signs = np.sign((plane.transform(mean) * maps.places).sum(axis=0))
    for finding in case.findings:
        code = np.asarray(case.description_of(finding).posterior.mean, float)
        expected = plane.transform(code[None])[0] * signs
        assert np.allclose(maps.finding_places[finding.label], expected, atol=1e-3)
    marks = marks_of(maps)
    sizes = {key: size for key, size in zip(marks.keys, marks.sizes, strict=True) if key}
    assert sizes[2] > sizes[1]
    rings = marks.places[[key is None for key in marks.keys]]
    rows = [one.row for one in marked.twins.found.twins.neighbours]
    assert np.allclose(rings, maps.places[rows])
    maps.choose_finding(1)  # as a click on its mark does
    assert case.selected == 1
    idle(marked)
    marks = marks_of(maps)
    assert dict(zip(marks.keys, marks.sizes, strict=True))[1] == sizes[2]


def test_findings_that_nobody_described_are_placed_when_the_map_opens(chest, voxels, idle):
    for voxel in voxels[:2]:
        chest.click(voxel)
        idle(chest)
    chest.case.described.clear()
    chest.findings.select(None)
    chest.latent_map.sit_down()
    idle(chest)
    assert set(chest.latent_map.finding_places) == {1, 2}


def test_a_known_nodule_is_put_beside_the_finding_as_the_decoder_draws_it(marked, idle):
    maps = marked.latent_map
    maps.choose(7)
    idle(marked)
    layer = marked.case.made[KNOWN]
    assert layer.visible
    assert np.array_equal(layer.data, maps.picture.hu)
    assert not maps.picture.true
    centre = marked.case.world(
        marked.case.volume.to_voxel(marked.case.finding.marked.measurement.centre_mm)
    )
    middle = np.array(layer.translate) + (np.array(layer.data.shape) - 1) / 2
    assert np.allclose((middle - centre)[:2], 0)
    assert not maps.scan_at_hand
    maps.choose(-1)
    assert not layer.visible
    maps.choose(7)
    idle(marked)
    assert layer.visible
    marked.findings.select(1)
    assert not layer.visible


def test_a_known_nodule_whose_scan_is_open_is_gone_to(marked, idle):
    maps, case = marked.latent_map, marked.case
    record = maps.records[4]
    volume = replace(case.volume, series_uid=record.series_uid)
    case.volume = volume
    maps.choose(4)
    idle(marked)
    assert maps.scan_at_hand
    maps.go_to_scan()
    at = case.world(case.volume.to_voxel(record.centre_mm))
    assert np.allclose(marked.viewer.scene.camera.center[-2:], at[1:])


def test_a_lasso_selects_what_lies_inside_shift_adds_and_a_finding_in_it_is_chosen(marked, idle):
    maps = marked.latent_map
    order = np.argsort(maps.places[:, 0])
    first = around(maps.places[order[:10]])
    maps.lasso(first)
    assert np.array_equal(maps.selection, inside(maps.places, first))
    second = around(maps.places[order[-5:]])
    maps.lasso(second, adds=True)
    both = np.union1d(inside(maps.places, first), inside(maps.places, second))
    assert np.array_equal(maps.selection, both)
    faint = colours_of(maps)[:, 3] < 100
    assert np.array_equal(np.flatnonzero(~faint), both)
    assert set(order_of(colours_of(maps))[-len(both) :]) == set(both)  # drawn on top
    assert marked.case.selected == 2
    maps.lasso(around(maps.finding_places[1][None]))
    assert marked.case.selected == 1
    idle(marked)


def test_a_selection_stands_beside_the_ct_as_pictures_and_points_that_carry_its_table(marked, idle):
    maps, viewer = marked.latent_map, marked.viewer
    before = viewer.scene.camera.center
    rows = np.arange(0, 30, 2)
    maps.select(rows)
    idle(marked)
    points, picture = maps.layers.points, marked.case.made[PICTURES]
    assert points.name == f"Map selection ({len(rows)})"
    assert list(points.features["id"]) == [maps.records[row].id for row in rows]
    sizes = [round(maps.records[row].diameter_mm, 1) for row in rows]
    assert np.allclose(points.features["diameter_mm"], sizes)
    assert points.metadata["method"] == "PCA"
    assert points.metadata["told"] == maps.mapped.latent_map.told
    decoded = map_work.pictures(marked.answers.expert, [int(row) for row in rows], None)
    drawn = _finish(decoded)
    for point, each in zip(points.data, drawn, strict=True):
        middle = np.asarray(picture.world_to_data(points.data_to_world(point)))
        at = np.floor(middle + 0.5 + 1e-6).astype(int)
        z, y, x = (slice(a - 16, a + 16) for a in at)
        assert np.array_equal(picture.data[z, y, x], each.hu)
    right_end = marked.case.layer.extent.world[1, 2]
    assert (points.data[:, 2] > right_end).all()
    assert np.allclose(points.data[:, 0], viewer.dims.point[0])
    assert "15 decoded" in maps.layers.told
    maps.select(())
    idle(marked)
    assert maps.layers.points is None
    assert viewer.scene.camera.center == before


def test_a_layer_shows_no_more_pictures_than_can_be_seen_and_points_for_the_rest(
    mapped, idle, monkeypatch
):
    monkeypatch.setattr("napari_vaemed.plugin.map_layers.MOST_PICTURES", 12)
    maps = mapped.latent_map
    maps.select(np.arange(60))
    idle(mapped)
    points = maps.layers.points
    assert len(points.data) == 60 < MOST_PICTURES
    assert (np.asarray(points.size) > 30).sum() == 12
    assert len(np.unique(points.data, axis=0)) == 60
    assert "the other 48" in maps.layers.told
    assert mapped.case is None  # the pictures are not taken for a CT
    said = []
    maps.layers.shown.connect(lambda: said.append(maps.layers.told))
    maps.layers.show(False)
    assert len(mapped.viewer.layers) == 0
    assert said == [""]


def test_points_chosen_in_the_layer_stand_out_on_the_map_and_the_other_way_round(mapped, idle):
    maps = mapped.latent_map
    maps.select([4, 8, 15, 16])
    idle(mapped)
    maps.layers.points.selected_data = {1, 3}
    assert maps.highlighted == (8, 16)
    marks = marks_of(maps)
    assert np.allclose(marks.places, maps.places[[8, 16]])
    maps.highlight([15])
    assert set(maps.layers.points.selected_data) == {2}


def test_clusters_become_a_colouring_and_a_column(mapped, idle):
    maps = mapped.latent_map
    maps.select([0, 1, 2])
    maps.find_clusters("k-means", 3)
    idle(mapped)
    assert maps.colouring is maps.clusters
    assert len(np.unique(colours_of(maps)[:, :3], axis=0)) == 3
    assert len(key_of(maps.colouring).classes) == 3
    assert all(row["cluster"].startswith("cluster") for row in maps.table())
    maps.make("PCA")
    idle(mapped)
    assert maps.mapped.colourings[0] is maps.clusters
    maps.find_clusters("model", 3)  # a model that finds none
    idle(mapped)
    assert mapped.messages["map"].level == "error"


def test_what_is_not_known_is_grey_and_the_darkest_colours_are_not_used(mapped):
    maps = mapped.latent_map
    diameter = next(each for each in maps.mapped.colourings if each.name == "diameter")
    values = diameter.values.copy()
    values[5] = np.nan
    maps.colour(replace(diameter, values=values))
    colours = colours_of(maps)
    assert np.ptp(colours[5, :3]) == 0
    assert colours[5, 3] < 255
    known = np.delete(colours, 5, axis=0)[:, :3].astype(float) / 255
    luminance = np.where(known <= 0.04045, known / 12.92, ((known + 0.055) / 1.055) ** 2.4)
    luminance = luminance @ (0.2126, 0.7152, 0.0722)
    assert (luminance + 0.05).min() / (0.0068 + 0.05) > 1.8  # against the ground
    assert np.corrcoef(np.delete(values, 5), luminance)[0, 1] > 0.9
    assert key_of(maps.colouring).ends[1].endswith("mm")
    assert key_of(maps.colouring).unknown[0] == "not known"
    assert (
        key_of(replace(maps.colouring, unknown="no other nodule")).unknown[0] == "no other nodule"
    )


def test_the_table_is_saved_with_formulas_made_harmless(mapped, idle, tmp_path):
    maps, expert = mapped.latent_map, mapped.answers.expert
    index = expert.index
    records = (replace(index.records[0], id="=1+1"), *index.records[1:])
    other = NoduleIndex(records, index.posterior, index.model_sha256, index.source)
    mapped.answers.use(Expert(expert.model, other, expert.axes))
    idle(mapped)
    maps.select([0, 3])
    maps.save_csv(tmp_path / "selection.csv")
    idle(mapped)
    with (tmp_path / "selection.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["'=1+1", records[3].id]
    assert float(rows[1]["malignancy"]) == records[3].malignancy
    assert rows[1]["cluster"] == ""


def test_a_closed_dock_asks_nothing(chest, voxels, idle):
    maps = chest.latent_map
    maps.sit_down()
    idle(chest)
    maps.stand_up()
    chest.click(voxels[0])
    idle(chest)
    assert maps.finding_places == {}


def _finish(work):
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value
