"""Forms read off constructors."""

from typing import Literal

import pytest

from napari_vaemed.data.form import Field, form_of
from napari_vaemed.data.run_settings import NODULE_RUN, RunSettings


class Model:
    """Something with settings.

    And a longer text.

    Parameters
    ----------
    dims : int
        Length of the `code`,
        in numbers.
    low, high : float
        Weights of two things.
    likelihood : {"normal", "uniform"}
        How it is drawn.
    deep : bool

    Raises
    ------
    ValueError
        Never.
    """

    def __init__(
        self,
        *,
        dims: int = 24,
        low: float = 1,
        high: float = 3e-3,
        likelihood: Literal["normal", "uniform"] = "normal",
        deep: bool = False,
    ) -> None:
        pass


def test_a_form_has_the_fields_of_the_signature_and_the_docstrings_words():
    form = form_of(Model)
    assert (form.name, form.what) == ("Model", "Something with settings.")
    assert form.fields == (
        Field("dims", 24, (), "Length of the code, in numbers."),
        Field("low", 1.0, (), "Weights of two things."),
        Field("high", 3e-3, (), "Weights of two things."),
        Field("likelihood", "normal", ("normal", "uniform"), "How it is drawn."),
        Field("deep", False),
    )
    assert isinstance(form.fields[1].default, float)


def test_what_was_changed_is_told_from_the_defaults():
    form = form_of(Model)
    values = {field.name: field.default for field in form.fields}
    assert form.changed(values) == {}
    assert form.changed({**values, "dims": 8, "deep": True}) == {"dims": 8, "deep": True}


def test_the_settings_of_a_run_are_a_form_once_their_usual_values_are_given():
    with pytest.raises(TypeError, match="epochs must have"):
        form_of(RunSettings)
    form = form_of(RunSettings, {"epochs": NODULE_RUN.epochs, "batch": NODULE_RUN.batch})
    fields = {field.name: field for field in form.fields}
    assert fields["epochs"].default == NODULE_RUN.epochs
    assert fields["precision"].choices == ("auto", "bf16", "fp32")
    assert "have not fallen" in fields["patience"].tip or "has not fallen" in fields["patience"].tip
