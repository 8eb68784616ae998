from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.slice_set import SliceRecord, SliceSet, split_by_group


def _set(sizes: list[tuple[int, int]]) -> SliceSet:
    """One group per (label, number of slices)."""
    records = tuple(
        SliceRecord(f"{group}_{i}", label, f"g{group}")
        for group, (label, n) in enumerate(sizes)
        for i in range(n)
    )
    picture = np.zeros((2, 2), np.uint8)
    return SliceSet(records, (picture,) * len(records), "made here")


def test_a_drawn_split_never_parts_a_group_and_keeps_the_shares():
    rng = np.random.default_rng(0)
    slices = _set([(int(i % 2), int(n)) for i, n in enumerate(rng.integers(1, 9, 120))])
    split = split_by_group(slices, seed=3)
    parts: dict[str, set[str]] = {}
    for record in split.records:
        parts.setdefault(record.group, set()).add(record.part)
    assert all(len(there) == 1 for there in parts.values())
    for label in (0, 1):
        mine = split.labels == label
        for part, share in (("train", 0.57), ("val", 0.16), ("test", 0.27)):
            rows = split.rows(part)
            assert mine[rows].sum() / mine.sum() == pytest.approx(share, abs=0.05)
    assert [r.id for r in split.records] == [r.id for r in slices.records]


def test_another_seed_draws_another_split_and_the_same_seed_the_same():
    slices = _set([(i % 2, 3) for i in range(40)])
    first, again, other = (split_by_group(slices, seed).records for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_unknown_labels_and_parts_are_refused():
    with pytest.raises(ValueError, match="must be 0 or 1"):
        SliceRecord("a", 2, "g")
    with pytest.raises(ValueError, match="train, val, test"):
        SliceRecord("a", 1, "g", "training")
