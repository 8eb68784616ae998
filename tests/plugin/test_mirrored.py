import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_vaemed.plugin.mirrored import MirroredLayers

SHAPE = (6, 8, 10)
PLACED = {"scale": (5.0, 0.6, 0.8), "units": "mm"}


@pytest.fixture
def main(qapp):
    """A viewer with a CT-like image and a mask."""
    hu = np.random.default_rng(1).integers(-1000, 400, SHAPE).astype(np.int16)
    viewer = ViewerModel()
    viewer.add_image(hu, name="CT", **PLACED)
    viewer.add_labels(np.zeros(SHAPE, np.uint8), name="Mask", **PLACED)
    return viewer


@pytest.fixture
def sides(main):
    """Two further viewers of the same layers: coronal and sagittal."""
    made = []
    for order in ((1, 0, 2), (2, 0, 1)):
        side = ViewerModel()
        made.append((side, MirroredLayers(main, side)))
        side.dims.order = order
        for axis, voxel in enumerate((4, 3, 9)):
            side.dims.set_point(axis, voxel * PLACED["scale"][axis])
    main.dims.set_point(0, 4 * PLACED["scale"][0])
    yield [side for side, _ in made]
    for _, mirrored in made:
        mirrored.close()


def drawn(viewer, name="Mask"):
    """Whether anything of a mask is drawn on the slice a viewer shows."""
    return bool(np.asarray(viewer.layers[name]._slice.image.view).any())


def test_arrays_are_shared_and_cut_in_another_plane(main, sides):
    hu = main.layers["CT"].data
    planes = (hu[:, 3], hu[:, :, 9])
    for side, plane in zip(sides, planes, strict=True):
        assert side.layers["CT"].data is hu
        assert np.array_equal(side.layers["CT"]._slice.image.raw, plane)


def test_layers_come_go_and_change_places_in_all_views(main, sides):
    main.add_points([(0, 1, 2)], name="Points", units="mm")
    assert [layer.name for layer in sides[0].layers] == ["CT", "Mask", "Points"]
    main.layers.move(0, 3)
    assert [layer.name for layer in sides[1].layers] == ["Mask", "Points", "CT"]
    main.layers.remove("Points")
    assert [layer.name for layer in sides[1].layers] == ["Mask", "CT"]
    main.layers.selection.active = main.layers["Mask"]
    assert sides[0].layers.selection.active is sides[0].layers["Mask"]


def test_how_a_layer_looks_is_followed_both_ways(main, sides):
    ct, mask = main.layers
    ct.contrast_limits = (-160, 240)
    ct.colormap = "magma"
    mask.contour, mask.selected_label, mask.visible = 2, 5, False
    for side in sides:
        assert tuple(side.layers["CT"].contrast_limits) == (-160, 240)
        assert side.layers["CT"].colormap.name == "magma"
        assert (side.layers["Mask"].contour, side.layers["Mask"].selected_label) == (2, 5)
        assert not side.layers["Mask"].visible
    sides[0].layers["Mask"].opacity = 0.3
    sides[1].layers["Mask"].selected_label = 9
    assert (mask.opacity, mask.selected_label) == (0.3, 9)
    assert sides[1].layers["Mask"].opacity == 0.3
    assert sides[0].layers["Mask"].selected_label == 9


def test_a_layer_looks_the_same_from_the_start(main):
    main.layers["Mask"].contour, main.layers["Mask"].mode = 1, "paint"
    side = ViewerModel()
    MirroredLayers(main, side).close()
    assert (side.layers["Mask"].contour, side.layers["Mask"].mode) == (1, "paint")


def test_thin_contours_are_those_of_napari(main, sides):
    mask, rng = main.layers["Mask"], np.random.default_rng(3)
    mask.data = np.kron(rng.integers(0, 3, (3, 4, 5)), np.ones((2, 2, 2), int)).astype(np.uint8)
    for contour in (1, 2):
        mask.contour = contour
        for side, plane in zip(sides, (mask.data[:, 3], mask.data[:, :, 9]), strict=True):
            own = Labels(plane)
            own.contour = contour
            expected = np.asarray(own._slice.image.view)
            assert np.array_equal(side.layers["Mask"]._slice.image.view, expected)


def test_a_stroke_in_one_view_is_seen_in_all_and_one_step_of_the_main_history(main, sides, qtbot):
    mask = main.layers["Mask"]
    steps = []
    mask.events.paint.connect(steps.append)
    side = sides[0].layers["Mask"]
    with side.block_history():
        side.paint((4, 3, 9), 3)
        side.paint((4, 3, 8), 3)
    qtbot.waitUntil(lambda: drawn(main) and drawn(sides[1]))
    assert len(steps) == 1
    assert mask.data[4, 3, 9] == 3
    mask.undo()
    assert not mask.data.any()
    qtbot.waitUntil(lambda: not drawn(sides[0]) and not drawn(sides[1]))
    side.redo()
    assert mask.data[4, 3, 9] == 3
    assert isinstance(side, Labels)


def test_a_stroke_in_the_main_view_is_seen_beside_it(main, sides, qtbot):
    main.layers["Mask"].paint((4, 3, 9), 2)
    qtbot.waitUntil(lambda: drawn(sides[0]) and drawn(sides[1]))


def test_an_array_written_to_is_drawn_anew_and_a_mere_scroll_draws_nothing(main, sides, qtbot):
    draws = []
    sides[0].layers["CT"].events.set_data.connect(draws.append)
    for k in range(5):
        main.dims.set_point(0, k * PLACED["scale"][0])
    qtbot.wait(20)
    assert not draws
    main.layers["CT"].data[:] = 7
    main.layers["CT"].refresh()
    qtbot.waitUntil(lambda: len(draws) == 1)
    assert (sides[0].layers["CT"]._slice.image.raw == 7).all()


def test_new_data_and_a_new_place_are_followed(main, sides):
    main.layers["CT"].translate = (10, 20, 30)
    main.layers["CT"].data = np.ones(SHAPE, np.int16)
    for side in sides:
        assert np.allclose(side.layers["CT"].translate, (10, 20, 30))
        assert side.layers["CT"].data is main.layers["CT"].data


def test_points_and_shapes_are_shown_as_they_have_become(main, sides, qtbot):
    points = main.add_points([(0, 1, 2)], name="Points", size=3, units="mm")
    shapes = main.add_shapes(
        [[(0, 1, 1), (0, 4, 4)]], shape_type="line", name="Shapes", units="mm", ndim=3
    )
    points.add([(2, 2, 2)])
    points.face_color = "red"
    shapes.add([[(1, 0, 0), (1, 0, 2), (1, 3, 2)]], shape_type="path", edge_color="lime")
    mirror = sides[0].layers
    qtbot.waitUntil(lambda: len(mirror["Points"].data) == 2 and len(mirror["Shapes"].data) == 2)
    assert np.allclose(mirror["Points"].face_color, points.face_color)
    assert mirror["Shapes"].shape_type == ["line", "path"]
    assert np.allclose(mirror["Shapes"].edge_color, shapes.edge_color)


def test_nothing_is_followed_once_closed(main):
    emitters = [e for layer in main.layers for e in layer.events.emitters.values()]
    emitters += list(main.layers.events.emitters.values())
    before = [len(emitter.callbacks) for emitter in emitters]
    side = ViewerModel()
    mirrored = MirroredLayers(main, side)
    mirrored.close()
    assert [len(emitter.callbacks) for emitter in emitters] == before
    main.layers["CT"].opacity = 0.5
    assert side.layers["CT"].opacity == 1
