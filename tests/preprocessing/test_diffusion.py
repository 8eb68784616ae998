from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.diffusion import Diffusion, diffuse, diffused_plane
from napari_vaemed.preprocessing.diffusion_kernels import diffuse_planes


@pytest.fixture(scope="module")
def slab(small_phantom):
    return Volume(small_phantom.volume.hu[40:52, 30:110, 20:120], (1.0, 1.0, 1.0))


@pytest.mark.parametrize("conductance", [0.5, 1.0, 3.0])
def test_steps_on_cubes_are_those_of_itk(slab, conductance):
    """ITK's edge is its conductance times the root of twice the mean squared gradient."""
    values = slab.hu.astype(np.float32)
    peer = sitk.GetArrayFromImage(
        sitk.GradientAnisotropicDiffusion(sitk.GetImageFromArray(values), 0.0625, conductance, 1, 1)
    )
    bordered = np.pad(values.astype(float), 1, mode="edge")
    slopes = np.stack(np.gradient(bordered))[:, 1:-1, 1:-1, 1:-1]
    edge = conductance * np.sqrt(2 * (slopes**2).sum(axis=0).mean())
    ours = np.empty_like(values)
    diffuse_planes(values, 0, len(values), np.ones(3, np.float32), edge, 0.0625, ours)
    assert np.abs(peer - values).max() > 5
    np.testing.assert_allclose(ours, peer, atol=1e-3)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 0.7, 0.9)])
def test_without_edges_it_is_the_gaussian_of_its_millimetres(spacing):
    """Heat spreads a variance by twice the time along every axis, whatever the voxels."""
    shape = (25, 61, 51)
    mm = [(np.arange(n) - n // 2) * s for n, s in zip(shape, spacing, strict=True)]
    r2 = mm[0][:, None, None] ** 2 + mm[1][:, None] ** 2 + mm[2] ** 2
    start, more = 5.0, 2.0
    hu = np.rint(20000 * np.exp(-r2 / (2 * start**2))).astype(np.int16)
    out = finish(diffuse(Volume(hu, spacing), Diffusion(more, 1e9))).astype(float)
    for axis in range(3):
        middle = [n // 2 for n in shape]
        middle[axis] = slice(None)
        curve = np.log(np.maximum(out[tuple(middle)], 1))
        near = np.abs(mm[axis]) < 6
        slope = np.polyfit(mm[axis][near] ** 2, curve[near], 1)[0]
        assert -1 / (2 * slope) == pytest.approx(start**2 + more**2, rel=0.02)


def test_noise_goes_and_edges_stay():
    rng = np.random.default_rng(4)
    truth = np.where(np.arange(64) < 32, -850, 40) * np.ones((12, 64, 1))
    noisy = np.rint(truth + rng.normal(0, 25, truth.shape)).astype(np.int16)
    out = finish(diffuse(Volume(noisy, (1.0, 1.0, 1.0)), Diffusion(1.5)))
    assert (out - truth).std() < 0.35 * (noisy - truth).std()
    assert np.diff(out.mean(axis=(0, 1))).max() > 0.97 * 890


@pytest.mark.parametrize("three_d", [False, True])
@pytest.mark.parametrize("index", [0, 5, 11])
def test_one_plane_is_that_of_the_whole(slab, three_d, index):
    how = Diffusion(three_d=three_d)
    whole = finish(diffuse(slab, how))
    np.testing.assert_array_equal(diffused_plane(slab, how, index), whole[index])


def test_slices_apart_do_not_know_of_each_other(slab):
    how = Diffusion(three_d=False)
    alone = finish(diffuse(Volume(slab.hu[5:6], slab.spacing), how))
    np.testing.assert_array_equal(alone[0], finish(diffuse(slab, how))[5])


def test_padding_does_not_leak(slab):
    hu = slab.hu.copy()
    hu[:, :, :30] = -3024
    out = finish(diffuse(Volume(hu, slab.spacing, padding=-3024)))
    assert (out[:, :, :30] == -3024).all()
    assert out[:, :, 30:].min() > -1200


@pytest.mark.parametrize("wrong", [{"smoothing_mm": 0.0}, {"edge_hu_per_mm": -1.0}])
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="positive"):
        Diffusion(**wrong)
