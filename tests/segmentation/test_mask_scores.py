import numpy as np
import pytest
import SimpleITK as sitk

from napari_vaemed.segmentation.mask_scores import pairwise_dice, score_labels, slice_dice

SPACING = (2.0, 0.8, 1.1)


def ball(radius_mm, centre_mm, shape=(40, 90, 70), spacing=SPACING):
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    away = sum((axis * mm - at) ** 2 for axis, mm, at in zip(axes, spacing, centre_mm, strict=True))
    return (away <= radius_mm**2).astype(np.uint8)


def itk(mask):
    image = sitk.GetImageFromArray(mask)
    image.SetSpacing(SPACING[::-1])
    return image


@pytest.fixture(scope="module")
def pair():
    return ball(20, (40, 36, 38)), ball(18, (43, 38, 36))


def test_overlap_is_that_of_simpleitk(pair):
    (score,) = score_labels(*pair, SPACING)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(itk(pair[0]), itk(pair[1]))
    assert score.dice == pytest.approx(overlap.GetDiceCoefficient())
    assert score.iou == pytest.approx(overlap.GetJaccardCoefficient())
    assert score.first_ml == pytest.approx(pair[0].sum() * np.prod(SPACING) / 1000)


def test_the_largest_distance_is_simpleitk_s_hausdorff_distance(pair):
    """Without holes, the farthest point of a mask is on its surface."""
    (score,) = score_labels(*pair, SPACING)
    hausdorff = sitk.HausdorffDistanceImageFilter()
    hausdorff.Execute(itk(pair[0]), itk(pair[1]))
    assert score.farthest_mm == pytest.approx(hausdorff.GetHausdorffDistance(), rel=1e-5)
    assert score.hausdorff95_mm <= score.farthest_mm


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")  # MONAI by itself
def test_surface_figures_are_those_of_monai_metrics(pair):
    import torch
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    (score,) = score_labels(*pair, SPACING)
    first, second = (torch.from_numpy(mask)[None, None].float() for mask in pair)
    for mm, found in ((1.0, score.surface_dice_1mm), (3.0, score.surface_dice_3mm)):
        wanted = compute_surface_dice(
            first, second, class_thresholds=[mm], include_background=True, spacing=SPACING
        )
        assert found == pytest.approx(float(wanted))
    wanted = compute_hausdorff_distance(
        first, second, include_background=True, percentile=95, spacing=SPACING
    )
    assert score.hausdorff95_mm == pytest.approx(float(wanted))


def test_concentric_balls_lie_as_far_apart_as_their_radii_differ():
    spacing = (1.0, 1.0, 1.0)
    first, second = (ball(r, (30, 30, 30), (61, 61, 61), spacing) for r in (25, 21))
    (score,) = score_labels(first, second, spacing)
    assert score.hausdorff95_mm == pytest.approx(4, abs=0.8)
    assert score.surface_dice_1mm == 0
    assert score.dice == pytest.approx(2 * 21**3 / (25**3 + 21**3), abs=0.005)


def test_a_mask_agrees_with_itself(pair):
    (score,) = score_labels(pair[0], pair[0], SPACING)
    assert (score.dice, score.iou, score.surface_dice_1mm) == (1, 1, 1)
    assert score.hausdorff95_mm == 0


def test_worst_slice_is_where_a_slice_was_spoilt(pair):
    spoilt = pair[0].copy()
    spoilt[21] = 0
    spoilt[21, 5:8, 5:8] = 1
    (score,) = score_labels(pair[0], spoilt, SPACING)
    assert (score.worst_slice, score.worst_slice_dice) == (21, 0)
    assert score.farthest_slice == 21
    by_slice = slice_dice(pair[0] > 0, spoilt > 0)
    assert np.nanargmin(by_slice) == 21
    assert np.isnan(by_slice[0])


def test_labels_are_scored_one_by_one_and_one_that_is_missing_has_no_distance(pair):
    second = np.where(pair[1], 2, 0).astype(np.uint8)
    one, two = score_labels(pair[0], second, SPACING)
    assert (one.label, two.label) == (1, 2)
    assert one.dice == two.dice == 0
    assert np.isnan(one.hausdorff95_mm)
    assert one.second_ml == two.first_ml == 0
    (absent,) = score_labels(pair[0], second, SPACING, labels=[3])
    assert np.isnan(absent.dice)


def test_masks_on_different_grids_are_refused(pair):
    with pytest.raises(ValueError, match="one grid"):
        score_labels(pair[0], pair[1][1:], SPACING)


def test_pairwise_dice_is_symmetric_with_ones_on_the_diagonal(pair):
    masks = [pair[0] > 0, pair[1] > 0, np.zeros(pair[0].shape, bool)]
    table = pairwise_dice(masks)
    (score,) = score_labels(*pair, SPACING)
    assert table[0, 1] == table[1, 0] == pytest.approx(score.dice)
    assert table[0, 0] == 1
    assert table[0, 2] == 0
    assert np.isnan(table[2, 2])
