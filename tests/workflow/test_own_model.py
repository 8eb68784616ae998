"""What a folder holds of a training."""

import pytest

from napari_vaemed.workflow.own_model import Kept, kept_in, model_forms


def kept(done, *, epochs=10, patience=0, best=0):
    told = [{"number": n, "best": best} for n in range(1, done + 1)]
    return Kept(done, {"settings": {"epochs": epochs, "patience": patience}, "epochs": told}, None)


@pytest.mark.parametrize(
    ("training", "over"),
    [
        (kept(9), False),
        (kept(10), True),
        (kept(6, patience=3, best=4), False),
        (kept(6, patience=3, best=3), True),
        (kept(0), False),
    ],
)
def test_a_training_is_over_at_its_end_or_once_it_has_waited_long_enough(training, over):
    assert training.over is over


def test_every_model_has_a_form_whose_defaults_it_can_be_made_of():
    from napari_vaemed.models import VAES

    for cls, form in zip(VAES, model_forms(), strict=True):
        made = cls(**{field.name: field.default for field in form.fields})
        assert all(getattr(made, field.name) == field.default for field in form.fields)
        assert all(field.tip for field in form.fields), form.name
        assert "images" not in {field.name for field in form.fields}


def test_an_empty_folder_keeps_nothing(tmp_path):
    found = kept_in(tmp_path)
    assert (found.done, found.record, found.model, found.over) == (0, {}, None, False)


def test_a_damaged_checkpoint_is_told_in_words(tmp_path):
    (tmp_path / "training.safetensors").write_bytes(b"no")
    with pytest.raises(ValueError, match="no checkpoint of a training"):
        kept_in(tmp_path)
