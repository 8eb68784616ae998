"""Drawn samples of a model whose classes are known: squares in one place each."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from napari_vaemed.models.networks import to_unit
from napari_vaemed.models.protocols import Clusterer
from napari_vaemed.models.vae.labels import malignancy_classes
from napari_vaemed.models.vae.m2 import M2
from napari_vaemed.models.vae.terms import MALIGNANCY
from napari_vaemed.training.digit_samples import UNKNOWN, DigitSamples
from napari_vaemed.training.generated import (
    class_names,
    generated_digits,
    generated_nodules,
    joined,
)


class Bands(nn.Module):
    """Class k is ink in rows 4 k to 4 k + 4; a code is its class and how bright it is."""

    clusters = 5

    def __init__(self) -> None:
        super().__init__()
        self.anywhere = nn.Parameter(torch.zeros(1))

    def class_probabilities(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 0, :20].unflatten(1, (5, 4)).mean((2, 3)) + 1e-6

    def class_codes(self, n: int, generator: torch.Generator) -> torch.Tensor:
        bright = 0.2 + 0.8 * torch.rand(5, n, generator=generator)
        return torch.stack([torch.arange(5.0)[:, None].expand(5, n), bright], dim=2)

    def decode(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.arange(28) // 4
        picture = (rows[None] == z[:, :1]) * z[:, 1:]
        picture = picture[:, None, :, None].expand(-1, 1, 28, 28)
        return picture, picture


def _real(classes: list[int], label: list[int]) -> DigitSamples:
    rows = torch.arange(28) // 4
    picture = 255 * (rows[None, :, None] == torch.tensor(classes)[:, None, None])
    return DigitSamples(picture.expand(-1, 28, 28).to(torch.uint8), torch.tensor(label))


def test_what_is_drawn_of_a_class_bears_the_name_of_its_labelled_pictures():
    """Class 0 is mostly called 7, class 1 is called 3, 2 to 4 have no labelled pictures."""
    model = Bands()
    assert isinstance(model, Clusterer)
    known = _real([0, 0, 0, 1, 2, 3], [7, 7, 3, 3, UNKNOWN, UNKNOWN])
    drawn = generated_digits(model, known, 300)
    assert len(drawn) == 600
    assert drawn.label.bincount().tolist() == [0, 0, 0, 300, 0, 0, 0, 300]
    assert drawn.picture.dtype == torch.uint8
    for label, rows in ((7, slice(0, 4)), (3, slice(4, 8))):
        mine = drawn.picture[drawn.label == label].float()
        assert mine[:, rows].amin() >= 51
        assert mine.sum() == mine[:, rows].sum()
    again = generated_digits(model, known, 300)
    other = generated_digits(model, known, 300, seed=1)
    assert torch.equal(drawn.picture, again.picture)
    assert not torch.equal(drawn.picture, other.picture)


def test_drawn_and_real_pictures_are_learned_from_together():
    known = _real([0, 1], [7, UNKNOWN])
    both = joined(known, generated_digits(Bands(), known, 3))
    assert both.label.tolist() == [7, UNKNOWN, 7, 7, 7]
    assert torch.equal(both.picture[:2], known.picture)
    batch = both.draw(torch.arange(5), torch.Generator().manual_seed(0))
    assert batch.view.shape == (5, 1, 28, 28)


def test_without_a_label_nothing_has_a_name():
    with pytest.raises(ValueError, match="none has a label"):
        generated_digits(Bands(), _real([0, 1], [UNKNOWN, UNKNOWN]), 3)


def test_names_are_given_by_the_most_of_the_labelled():
    rng = np.random.default_rng(0)
    chances, label = rng.random((300, 6)), rng.integers(4, size=300)
    chances[:, 5] = -1.0  # never chosen
    named = class_names(torch.from_numpy(chances), torch.from_numpy(label))
    own = chances.argmax(1)
    assert named[5] == UNKNOWN
    for k in range(5):
        votes = [(label[own == k] == c).sum() for c in range(4)]
        assert votes[named[k]] == max(votes)


def test_drawn_nodules_are_what_the_model_decodes(balls):
    torch.manual_seed(0)
    model = M2(encoder_width=8, decoder_width=8, latent_dims=6).eval()
    known = balls(10)
    drawn = generated_nodules(model, known, 4, seed=2)
    truth = malignancy_classes(known.ratings)
    with torch.no_grad():
        chances = model.class_probabilities(to_unit(known.views[:, 0].float())[:, None])
        names = class_names(chances[truth >= 0], truth[truth >= 0])
        wanted = names != UNKNOWN
        codes = model.class_codes(4, torch.Generator().manual_seed(2))[wanted].flatten(0, 1)
        ct, mask = model.decode(codes)
    assert len(drawn) == len(codes)
    torch.testing.assert_close(to_unit(drawn.target.float())[:, None], ct, rtol=0, atol=1e-3)
    assert torch.equal(drawn.mask, mask[:, 0] > 0)
    assert torch.equal(drawn.views[:, 3], drawn.target[:, 14:18])
    assert torch.equal(malignancy_classes(drawn.ratings), names[wanted].repeat_interleave(4))
    assert drawn.ratings.isnan().sum(1).eq(drawn.ratings.shape[1] - 1).all()
    assert set(drawn.ratings[:, MALIGNANCY].tolist()) <= {1.0, 5.0}
    both = joined(known, drawn)
    assert len(both) == 10 + len(drawn)
    assert (
        both.draw(torch.arange(len(both)), torch.Generator().manual_seed(0)).view.isfinite().all()
    )
