"""What the losses of models that find classes are made of; all want float32."""

from __future__ import annotations

import math

import torch


def agreement(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Cross-entropy between the log chances (n, k) of two looks at each picture, both ways round.

    Least where both looks are sure of the same class (Hu et al., Learning Discrete Representations
    via Information Maximizing Self-Augmented Training, 2017).
    """
    return -0.5 * ((one.exp() * other).sum(1) + (other.exp() * one).sum(1)).mean()


def doubt(log_chances: torch.Tensor) -> torch.Tensor:
    """Mean entropy of the chances (n, k) of each picture, nats."""
    return -(log_chances.exp() * log_chances).sum(1).mean()


def imbalance(log_chances: torch.Tensor) -> torch.Tensor:
    """How far the mean of the chances (n, k) is from all classes alike: ln k less its entropy."""
    mean = torch.logsumexp(log_chances, 0) - math.log(len(log_chances))
    return math.log(log_chances.shape[1]) + (mean.exp() * mean).sum()


def student_t(squared: torch.Tensor, freedom: float = 1.0) -> torch.Tensor:
    """Log chances (n, k) by squared distances (n, k) to the classes' centres.

    Student's t-distribution (Xie et al., Unsupervised Deep Embedding for Clustering Analysis, 2016,
    equation 1).
    """
    return torch.log_softmax(-0.5 * (freedom + 1.0) * torch.log1p(squared / freedom), dim=1)


def sharpened(log_chances: torch.Tensor, frequency: torch.Tensor) -> torch.Tensor:
    """Chances squared over the frequencies (k,) of the classes, normalised: (n, k).

    DEC's target distribution (ibid., equation 3); no gradient flows through it.
    """
    return torch.softmax(2.0 * log_chances.detach() - frequency.log(), dim=1)


def kl_from_target(target: torch.Tensor, log_chances: torch.Tensor) -> torch.Tensor:
    """KL(target ‖ chances) of (n, k) each, mean over pictures, nats."""
    return (torch.xlogy(target, target) - target * log_chances).sum(1).mean()
