"""Classes of nodules and digits, known or not."""

import pytest
import torch

from napari_vaemed.models.protocols import Batch, DigitBatch
from napari_vaemed.models.vae.labels import class_labels, classes_of, label_loss


def test_classes_are_malignancy_with_undecided_and_hidden_left_out():
    score = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, torch.nan, 2.4])
    look, measured = torch.rand(7, 1, 4, 4, 4), torch.ones(7, 1, 4, 4, 4, dtype=torch.bool)
    ratings = score[:, None].repeat(1, 9)
    batch = Batch(look, look, look, measured, measured, ratings, torch.zeros(7))
    assert class_labels(batch).tolist() == [0, 0, -1, 1, 1, -1, -1]
    assert class_labels(batch).dtype == torch.int64


def test_the_class_of_a_digit_is_its_label():
    batch = DigitBatch(*[torch.rand(2, 1, 28, 28)] * 3, torch.tensor([7, -1]))
    assert class_labels(batch).tolist() == [7, -1]


def test_there_are_two_classes_of_nodules_and_ten_of_digits():
    assert (classes_of("nodule"), classes_of("digit")) == (2, 10)
    with pytest.raises(ValueError, match="nodule or digit"):
        classes_of("letter")


def test_only_known_labels_count_in_the_loss():
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    label = torch.tensor([2, -1, 0, -1, 1])
    each = [-torch.log_softmax(logits[i], 0)[label[i]] for i in (0, 2, 4)]
    torch.testing.assert_close(label_loss(logits, label), torch.stack(each).mean())
    nothing = label_loss(logits, torch.full((5,), -1))
    nothing.backward()
    assert nothing.item() == 0
    assert not logits.grad.any()
