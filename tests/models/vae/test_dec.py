"""DEC's distributions against numpy and scipy."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import entropy, norm
from scipy.stats import t as student

from napari_vaemed.models.protocols import DigitBatch
from napari_vaemed.models.vae.cluster_terms import (
    agreement,
    doubt,
    imbalance,
    kl_from_target,
    sharpened,
    student_t,
)
from napari_vaemed.models.vae.dec import DEC, bhattacharyya

SMALL = {"images": "digit", "clusters": 3, "latent_dims": 4, "encoder_width": 8,
         "decoder_width": 8}  # fmt: skip


def test_chances_are_densities_of_students_t():
    codes, centres = torch.randn(7, 1), torch.randn(3, 1)
    given = student_t((codes - centres.T).square()).exp()
    density = student(df=1).pdf(codes.numpy() - centres.numpy().T)
    np.testing.assert_allclose(given, density / density.sum(1, keepdims=True), rtol=1e-5)


def test_the_target_is_squared_over_frequency_and_the_loss_scipys_relative_entropy():
    rng = np.random.default_rng(0)
    q = rng.dirichlet(np.ones(4), 9)
    f = q.sum(0)
    p = q**2 / f
    p /= p.sum(1, keepdims=True)
    log_q = torch.from_numpy(np.log(q))
    target = sharpened(log_q, torch.from_numpy(f / f.sum()))
    np.testing.assert_allclose(target, p, rtol=1e-6)
    expected = entropy(p, q, axis=1).mean()
    assert kl_from_target(target, log_q).item() == pytest.approx(expected, rel=1e-6)


def test_entropies_are_scipys():
    chances = np.random.default_rng(0).dirichlet(np.ones(4), 9)
    log = torch.from_numpy(np.log(chances))
    assert doubt(log).item() == pytest.approx(entropy(chances, axis=1).mean())
    assert imbalance(log).item() == pytest.approx(np.log(4) - entropy(chances.mean(0)))
    assert agreement(log, log).item() == pytest.approx(doubt(log).item())
    other = log.roll(1, 0)
    assert agreement(log, other) > agreement(log, log)


def test_the_bhattacharyya_distance_is_the_integral():
    m, s, c, w = 0.3, 0.8, 1.9, 1.7
    overlap, _ = quad(lambda x: np.sqrt(norm(m, s).pdf(x) * norm(c, w).pdf(x)), -20, 20)
    given = bhattacharyya(*(torch.tensor([[value]]) for value in (m, s, c, w)))
    assert given.item() == pytest.approx(-np.log(overlap), rel=1e-5)


@pytest.mark.parametrize("distance", ["euclid", "wasserstein", "bhattacharyya"])
@pytest.mark.parametrize("reconstruct", [True, False])
def test_clusters_begin_when_the_warm_up_is_over(distance, reconstruct):
    torch.manual_seed(0)
    module = DEC(**SMALL, distance=distance, reconstruct=reconstruct)
    pictures = torch.rand(3, 20, 1, 28, 28)
    batch = DigitBatch(*pictures, label=torch.full((20,), -1))
    generator = torch.Generator().manual_seed(0)
    assert "clusters" not in module.losses(batch, progress=0.0, generator=generator)
    with torch.no_grad():
        assert not module.survey([batch], progress=0.2, generator=generator)
        assert module.survey([batch], progress=0.3, generator=generator)
        assert not module.survey([batch], progress=0.4, generator=generator)
        q = module.class_probabilities(batch.view)
    np.testing.assert_allclose(module.frequency, q.mean(0), rtol=1e-5)
    terms = module.losses(batch, progress=0.4, generator=generator)
    terms["pixels"].backward(retain_graph=True)
    assert (module.encoder.body[0].weight.grad is not None) == reconstruct
    terms["clusters"].backward()
    assert module.encoder.body[0].weight.grad.isfinite().all()
    assert module.centres.grad.isfinite().all()


def test_an_unknown_distance_is_refused():
    with pytest.raises(ValueError, match="euclid, wasserstein, bhattacharyya; got 'kl'"):
        DEC(distance="kl")
