from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from napari_vaemed.io.run_log import RunLog
from napari_vaemed.training.fit import Epoch

PICTURE = np.arange(24, dtype=np.uint8).reshape(4, 6)


def _epoch(number: int, **more) -> Epoch:
    losses = {"pixels": -3.0, "kl": 1.0 + number}
    return Epoch(number, 9, losses, 2.5, "cpu", {}, batch=8, rate=1e-3, **more)


def test_curves_pictures_and_notes_read_back_as_written(tmp_path):
    with RunLog(tmp_path / "a-1", first_epoch=1) as log:
        log.write(_epoch(1))
        log.write(
            _epoch(2, held_out={"kl": 7.0}, pictures={"nodules": PICTURE}, notes=("Halved.",))
        )
    events = EventAccumulator(str(tmp_path / "a-1")).Reload()
    assert [e.value for e in events.Scalars("loss/train")] == [-1.0, 0.0]
    assert [e.value for e in events.Scalars("train/kl")] == [2.0, 3.0]
    assert [(e.step, e.value) for e in events.Scalars("loss/held_out")] == [(2, 7.0)]
    assert events.Scalars("run/rate")[1].value == pytest.approx(1e-3)
    shown = Image.open(io.BytesIO(events.Images("nodules")[0].encoded_image_string))
    np.testing.assert_array_equal(np.asarray(shown.convert("L")), PICTURE)
    (note,) = events.Tensors("notes/text_summary")
    assert note.tensor_proto.string_val == [b"Halved."]


def test_epochs_that_are_written_again_replace_those_of_a_killed_run(tmp_path):
    for first, value in ((1, 5.0), (2, 6.0)):
        with RunLog(tmp_path, first_epoch=first) as log:
            for number in range(first, 4):
                log.write(_epoch(number, held_out={"kl": value}))
    events = EventAccumulator(str(tmp_path)).Reload()
    curve = [(e.step, e.value) for e in events.Scalars("loss/held_out")]
    assert curve == [(1, 5.0), (2, 6.0), (3, 6.0)]
