"""The synthetic chest against its own truth, closed forms and plain anatomy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_vaemed.data.labels import AIRWAYS, LEFT_LUNG, RIGHT_LUNG
from napari_vaemed.data.phantom_nodules import (
    CORE_HU,
    CORE_SHARE,
    DEFAULT_NODULES,
    KINDS,
    axial_diameters,
)
from napari_vaemed.data.phantom_placement import reach
from napari_vaemed.data.phantoms import (
    NoduleSpec,
    Phantom,
    chest_phantom,
    making_chest_phantom,
)

SMALL = {"shape": (80, 128, 128), "spacing": (2.5, 2.6, 2.6)}
SPHERES = tuple(NoduleSpec("solid", d) for d in (14.0, 18.0, 22.0))


@pytest.fixture(scope="module")
def chest() -> Phantom:
    return chest_phantom(shape=(100, 160, 160), spacing=(2.8, 2.0, 2.0), seed=3)


@pytest.fixture(scope="module")
def bare() -> Phantom:
    return chest_phantom(**SMALL, seed=2, nodules=(), noise_hu=0.0)


@pytest.fixture(scope="module")
def spheres() -> Phantom:
    return chest_phantom(**SMALL, seed=2, nodules=SPHERES, noise_hu=0.0)


@pytest.fixture(scope="module")
def sick() -> Phantom:
    return chest_phantom(**SMALL, seed=4, nodules=(), ground_glass=True, consolidation=True)


@pytest.fixture(scope="module")
def many() -> Phantom:
    specs = [NoduleSpec(KINDS[i % 8], float(d)) for i, d in enumerate(np.linspace(5, 25, 24))]
    return chest_phantom(shape=(100, 160, 160), spacing=(2.8, 2.1, 2.1), seed=5, nodules=specs)


def within(phantom: Phantom, label: int, mm: float) -> np.ndarray:
    """Voxels at most ``mm`` from a nodule's voxels."""
    margin = [int(np.ceil(mm / s)) + 2 for s in phantom.volume.spacing]
    box = tuple(
        slice(max(cut.start - m, 0), cut.stop + m)
        for cut, m in zip(ndimage.find_objects(phantom.nodules)[label - 1], margin, strict=True)
    )
    near = np.zeros(phantom.volume.shape, bool)
    near[box] = (
        ndimage.distance_transform_edt(
            phantom.nodules[box] != label, sampling=phantom.volume.spacing
        )
        <= mm
    )
    return near


def test_every_kind_is_planted_by_default(chest: Phantom) -> None:
    assert {nodule.kind for nodule in chest.planted} == set(KINDS)
    assert len(chest.planted) >= 8
    assert [nodule.label for nodule in chest.planted] == list(range(1, len(chest.planted) + 1))


def test_planted_diameters_are_those_asked_for(chest: Phantom) -> None:
    for spec, nodule in zip(DEFAULT_NODULES, chest.planted, strict=True):
        assert nodule.diameter_mm == pytest.approx(spec.diameter_mm, rel=0.005)
        assert nodule.volume_mm3 == pytest.approx(np.pi / 6 * nodule.diameter_mm**3)


def test_voxel_count_agrees_with_the_true_volume_of_larger_nodules(chest: Phantom) -> None:
    for nodule in chest.planted:
        if nodule.diameter_mm > 9 and nodule.kind != "spiculated":
            counted = (chest.nodules == nodule.label).sum() * chest.volume.voxel_mm3
            assert counted == pytest.approx(nodule.volume_mm3, rel=0.15), nodule


def test_added_mass_is_volume_times_contrast(bare: Phantom, spheres: Phantom) -> None:
    step = spheres.volume.hu.astype(float) - bare.volume.hu
    for nodule in spheres.planted:
        near = within(spheres, nodule.label, 6.0)
        lung = bare.volume.hu[spheres.nodules == nodule.label].astype(float).mean()
        volume = step[near].sum() * spheres.volume.voxel_mm3 / (nodule.hu - lung)
        assert volume == pytest.approx(nodule.volume_mm3, rel=0.05)


def test_axial_diameters_are_those_of_the_body(many: Phantom) -> None:
    for nodule in many.planted:
        assert 0 < nodule.perpendicular_mm <= nodule.longest_mm
        if nodule.kind in ("solid", "ground-glass", "cavitated", "calcified"):
            mean = (nodule.longest_mm + nodule.perpendicular_mm) / 2
            assert mean == pytest.approx(nodule.diameter_mm, rel=0.2)
            assert nodule.longest_mm < 1.4 * nodule.diameter_mm


@pytest.mark.parametrize("thick_mm", [0.0, 1.0, 2.0])
def test_a_disc_has_its_diameters_and_spicules_do_not_count(thick_mm: float) -> None:
    y, x = ((np.arange(-60, 61) * 0.25).astype(np.float32) for _ in range(2))
    disc = y[:, None] ** 2 + x**2 < 6**2
    spike = (np.abs(y)[:, None] < thick_mm / 2) & (np.abs(x) < 12)
    found = axial_diameters((disc | spike)[None], y, x)
    assert found == pytest.approx((12, 12), abs=0.5)


def test_what_is_more_than_half_as_thick_as_the_body_counts_as_body() -> None:
    y, x = ((np.arange(-60, 61) * 0.25).astype(np.float32) for _ in range(2))
    ellipse = (y[:, None] / 4) ** 2 + (x / 8) ** 2 < 1
    lobed = (y[:, None] ** 2 + x**2 < 5**2) | (y[:, None] ** 2 + (x - 5) ** 2 < 4**2)
    assert axial_diameters(ellipse[None], y, x) == pytest.approx((16, 8), abs=0.4)
    assert axial_diameters(lobed[None], y, x) == pytest.approx((14, 10), abs=0.4)


def test_a_planted_nodule_is_measured_without_its_spikes(many: Phantom) -> None:
    for nodule in many.planted:
        if nodule.kind == "spiculated":  # to their tips it would be 1.3 to 1.65 times as long
            assert nodule.longest_mm < 1.3 * nodule.diameter_mm


def test_the_solid_part_is_a_share_of_part_solid_nodules_only(many: Phantom) -> None:
    for nodule in many.planted:
        if nodule.kind == "part-solid":
            # radius and solid radius have the same ratio in every direction
            assert nodule.solid_mm3 == pytest.approx(CORE_SHARE**3 * nodule.volume_mm3, rel=0.05)
        else:
            assert nodule.solid_mm3 is None


def test_centre_of_mass_lies_where_it_is_said(chest: Phantom) -> None:
    for nodule in chest.planted:
        index = ndimage.center_of_mass(chest.nodules == nodule.label)
        assert np.linalg.norm(chest.volume.to_world(index) - nodule.centre_mm) < 1.0


def test_core_has_the_stated_density(chest: Phantom) -> None:
    for nodule in chest.planted:
        assert nodule.hu == CORE_HU[nodule.kind]
        if nodule.kind in ("solid", "juxtapleural", "juxtavascular", "spiculated"):
            box = ndimage.find_objects(chest.nodules)[nodule.label - 1]
            mask = np.pad(chest.nodules[box] == nodule.label, 1)
            inner = ndimage.distance_transform_edt(mask, sampling=chest.volume.spacing)
            inner = inner[1:-1, 1:-1, 1:-1]
            core = chest.volume.hu[box][inner >= 0.75 * inner.max()]
            if nodule.diameter_mm > 9:
                assert core.mean() == pytest.approx(nodule.hu, abs=30)


def test_ground_glass_nodule_is_sparse_and_cavity_holds_air(chest: Phantom) -> None:
    by_kind = {nodule.kind: nodule for nodule in chest.planted}
    glass = chest.volume.hu[chest.nodules == by_kind["ground-glass"].label]
    assert -720 < np.median(glass) < -450
    index = chest.volume.to_voxel(by_kind["cavitated"].centre_mm)
    assert chest.volume.hu[tuple(np.rint(index).astype(int))] < -700


@pytest.mark.parametrize("phantom", ["chest", "many"])
def test_nodules_lie_inside_the_lungs(phantom: str, request: pytest.FixtureRequest) -> None:
    scan = request.getfixturevalue(phantom)
    inside = np.isin(scan.lungs, (RIGHT_LUNG, LEFT_LUNG))
    for nodule in scan.planted:
        assert inside[scan.nodules == nodule.label].mean() > 0.97, nodule


@pytest.mark.parametrize("phantom", ["chest", "many"])
def test_nodules_stay_apart(phantom: str, request: pytest.FixtureRequest) -> None:
    scan = request.getfixturevalue(phantom)
    trees = [
        cKDTree(np.argwhere(scan.nodules == nodule.label) * scan.volume.spacing)
        for nodule in scan.planted
    ]
    for i, one in enumerate(trees):
        for other in trees[:i]:
            assert one.query(other.data)[0].min() > 10.0


def test_a_long_list_is_planted_whole(many: Phantom) -> None:
    assert len(many.planted) == 24
    assert set(np.unique(many.nodules)) == set(range(25))


def test_juxtapleural_nodule_touches_the_lungs_edge_and_others_do_not(chest: Phantom) -> None:
    outside = ~np.isin(chest.lungs, (RIGHT_LUNG, LEFT_LUNG))
    for nodule in chest.planted:
        touches = bool((within(chest, nodule.label, 2.9) & outside).any())
        if nodule.kind == "juxtapleural":
            assert touches
        elif nodule.kind == "solid":
            assert not touches


def test_juxtavascular_nodule_touches_a_vessel(chest: Phantom) -> None:
    nodule = next(n for n in chest.planted if n.kind == "juxtavascular")
    assert (within(chest, nodule.label, 2.9) & chest.vessels).any()


def test_right_lung_is_at_low_x(chest: Phantom) -> None:
    x = {side: np.argwhere(chest.lungs == side)[:, 2] for side in (RIGHT_LUNG, LEFT_LUNG)}
    assert x[RIGHT_LUNG].max() < x[LEFT_LUNG].min()
    assert chest.volume.to_world((0, 0, x[RIGHT_LUNG].mean()))[0] < -30


def test_right_lung_is_the_larger_and_both_are_of_human_size(chest: Phantom) -> None:
    litre = chest.volume.voxel_mm3 / 1e6
    right, left = ((chest.lungs == side).sum() * litre for side in (RIGHT_LUNG, LEFT_LUNG))
    assert right > left
    assert 2.5 < right + left < 7.0


def test_tissues_have_their_hounsfield_units(chest: Phantom) -> None:
    hu = chest.volume.hu
    parenchyma = hu[(chest.lungs == RIGHT_LUNG) & ~chest.vessels & (chest.nodules == 0)]
    assert -890 < np.median(parenchyma) < -820
    deep = ndimage.binary_erosion(chest.lungs == AIRWAYS, iterations=2)
    assert hu[deep].mean() < -950
    assert 150 < hu[chest.bones].mean() < 700
    assert np.median(hu[ndimage.binary_erosion(chest.vessels)]) == pytest.approx(45, abs=40)


def test_trachea_leads_from_above_the_lungs_to_both(chest: Phantom) -> None:
    airways = chest.lungs == AIRWAYS
    _, pieces = ndimage.label(airways)
    assert pieces == 1
    assert airways[-1].any()
    for side in (RIGHT_LUNG, LEFT_LUNG):
        assert (ndimage.binary_dilation(airways, iterations=2) & (chest.lungs == side)).any()


def test_the_same_seed_repeats_and_another_differs(bare: Phantom, spheres: Phantom) -> None:
    again = chest_phantom(**SMALL, seed=2, nodules=SPHERES, noise_hu=0.0)
    np.testing.assert_array_equal(spheres.volume.hu, again.volume.hu)
    assert spheres.planted == again.planted
    other = chest_phantom(**SMALL, seed=9, nodules=(), noise_hu=0.0)
    assert (bare.lungs != other.lungs).mean() > 0.005


def test_noise_has_the_stated_deviation(bare: Phantom) -> None:
    loud = chest_phantom(**SMALL, seed=2, nodules=(), noise_hu=30.0)
    difference = loud.volume.hu.astype(float) - bare.volume.hu
    flesh = (bare.volume.hu > 0) & (bare.volume.hu < 100)
    assert difference[flesh].std() == pytest.approx(30.0, rel=0.05)
    assert difference[flesh].mean() == pytest.approx(0.0, abs=0.5)


def test_ground_glass_is_hazy_bilateral_and_peripheral(sick: Phantom) -> None:
    assert sick.ground_glass is not None
    healthy = np.isin(sick.lungs, (1, 2)) & ~sick.ground_glass & ~sick.consolidation
    clear = sick.ground_glass & ~sick.consolidation & ~sick.vessels
    assert -720 < np.median(sick.volume.hu[clear]) < -450
    for side in (RIGHT_LUNG, LEFT_LUNG):
        assert 0.03 < sick.ground_glass[sick.lungs == side].mean() < 0.7
    depth = ndimage.distance_transform_edt(
        np.isin(sick.lungs, (1, 2)), sampling=sick.volume.spacing
    )
    assert depth[sick.ground_glass].mean() < depth[healthy].mean()


def test_consolidation_is_dense_in_one_lung_with_air_in_it(sick: Phantom) -> None:
    assert sick.consolidation is not None
    sides = [sick.consolidation[sick.lungs == side].any() for side in (RIGHT_LUNG, LEFT_LUNG)]
    assert sum(sides) == 1
    hu = sick.volume.hu[sick.consolidation]
    assert np.median(hu) > -60
    assert (hu < -300).any()


def test_a_healthy_phantom_has_no_disease_masks(chest: Phantom) -> None:
    assert chest.ground_glass is None
    assert chest.consolidation is None


def test_side_and_zone_are_obeyed() -> None:
    spec = NoduleSpec("solid", 12.0, "left", "lower")
    scan = chest_phantom(**SMALL, seed=1, nodules=[spec])
    x = scan.planted[0].centre_mm[0]
    heights = np.argwhere(scan.lungs == LEFT_LUNG)[:, 0]
    index = scan.volume.to_voxel(scan.planted[0].centre_mm)
    assert x > 0
    assert index[0] < np.quantile([heights.min(), heights.max()], 0.4)
    assert reach(spec) > 6.0


def test_volume_is_centred_with_the_head_up(chest: Phantom) -> None:
    x, y, z = chest.volume.to_world((np.array(chest.volume.shape) - 1) / 2)
    assert (x, y) == pytest.approx((0, 0))
    assert chest.volume.hu.dtype == np.int16
    assert chest.volume.to_world((chest.volume.shape[0] - 1, 0, 0))[2] == pytest.approx(0)
    airway = [(chest.lungs[k] == AIRWAYS).any() for k in (2, -2)]
    assert airway == [False, True]
    assert z < 0


def test_steps_are_told_while_it_is_made() -> None:
    steps = list(making_chest_phantom(shape=(40, 96, 96), spacing=(6.0, 3.4, 3.4), nodules=()))
    assert [step.done for step in steps] == list(range(len(steps)))
    assert steps[0].total == len(steps)


def test_too_many_nodules_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="No room in these lungs for 14 nodules"):
        chest_phantom(**SMALL, nodules=[NoduleSpec("solid", 38.0)] * 14)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("round", 8.0), "kind is one of solid"),
        (("solid", 80.0), "between 2 and 40 mm"),
        (("solid", 8.0, "middle"), "'right', 'left' or None"),
        (("solid", 8.0, "left", "top"), "upper, middle, lower"),
    ],
)
def test_a_wrong_spec_is_refused_in_words(arguments: tuple, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        NoduleSpec(*arguments)


def test_a_field_of_view_too_small_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="at least 190 mm in plane"):
        chest_phantom(shape=(64, 64, 64), spacing=(1.0, 1.0, 1.0))
