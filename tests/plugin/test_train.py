"""The Train dock: choose, train, stop, resume, use."""

import shutil
import threading

import numpy as np
import pytest

from napari_vaemed.data.run_settings import NoduleLessons, RunSettings
from napari_vaemed.io.checkpoints import read_model, read_training, write_model
from napari_vaemed.models.vae.one_step import OneStepVAE
from napari_vaemed.plugin.expert import OtherModel
from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.train_work import Stopped, Wish, training
from napari_vaemed.plugin.widgets.train import TrainWidget
from napari_vaemed.training.steps import before_step

SMALL = {"latent_dims": 4, "encoder_width": 8, "decoder_width": 8}
PATIENTS = 10


@pytest.fixture
def dock(window, qtbot):
    """The dock in its window, once it knows the models."""
    widget = TrainWidget(window.viewer)
    window.viewer.window.add_dock_widget(widget, name="Train")
    qtbot.waitUntil(lambda: bool(widget.training.forms), timeout=30_000)
    return widget


@pytest.fixture
def ready(dock, nodule_folder, tmp_path, idle):
    """The dock with nodule_folder, an empty output folder and a small model."""
    choose(dock, nodule_folder, tmp_path / "run", idle)
    dock.model_fold.fill(SMALL)
    return dock


def choose(dock, nodule_folder, out, idle):
    out.mkdir(exist_ok=True)
    dock.training.choose_folder(nodule_folder)
    dock.training.choose_out(out)
    idle(dock.session)


def settings(dock, epochs, bench_epochs=0, **others):
    wanted = {"epochs": epochs, "batch": 4, "device": "cpu", "bench_epochs": bench_epochs}
    dock.run_forms.fill({**wanted, **others})


def done(dock):
    return [epoch.number for epoch in dock.training.so_far.epochs]


def said(dock):
    message = dock.session.messages.get("train")
    return "" if message is None else message.text


def test_the_dock_offers_the_models_with_their_settings_and_says_what_to_choose(dock):
    names = [dock.model_box.itemText(n) for n in range(dock.model_box.count())]
    assert names[0] == "GaussianVAE"
    assert "Autoencoder" in names
    assert dock.model_fold.grid is None  # built when it is opened
    dock.model_fold.unfold()
    assert dock.model_fold.values()["latent_dims"] == 24
    dock.model_box.setCurrentText("Autoencoder")
    dock._on_model()
    assert "shrinkage" in dock.model_fold.values()
    assert not dock.start_button.isEnabled()


def test_nodules_are_counted_and_a_folder_without_any_is_refused_in_words(ready, tmp_path, idle):
    assert "10 nodules of 10 patients: 5 benign, 5 malignant, 0 undecided" in (
        ready.nodules_text.text()
    )
    assert ready.out_text.text() == "Holds no training yet"
    assert ready.start_button.isEnabled()
    ready.training.choose_folder(tmp_path)
    idle(ready.session)
    assert "No table of nodules" in said(ready)
    assert not ready.start_button.isEnabled()


def test_an_output_folder_with_a_model_of_digits_is_not_used(ready, tmp_path, idle):
    digits = tmp_path / "digits"
    digits.mkdir()
    model = OneStepVAE(images="digit", encoder_width=8, decoder_width=8)
    write_model(digits / "nodule_vae.safetensors", model, {})
    ready.training.choose_out(digits)
    idle(ready.session)
    assert "is a OneStepVAE of digits" in said(ready)
    assert ready.out_text.text() == "Where the model goes"
    assert not ready.start_button.isEnabled()


def test_a_training_shows_curves_and_pictures_and_its_model_answers_when_asked(
    ready, idle, qtbot, nodule_folder, small_phantom, voxels, untrained_expert
):
    session, training = ready.session, ready.training
    settings(ready, epochs=4, bench_epochs=1, patience=4)
    ready.start_button.click()
    assert training.running
    assert ready.stop_button.isVisibleTo(ready)
    qtbot.waitUntil(lambda: not training.running, timeout=60_000)
    idle(session)
    assert done(ready) == [1, 2, 3, 4]
    whole, *terms = ready.watched.curves.curves
    assert {"pixels", "kl", "mask"} <= {term.name for term in terms}
    assert all(len(values) == 4 for values in whole.values.values())
    assert whole.values["held out"] != whole.values["learned"]
    assert training.so_far.picture.shape[0] == 64  # originals above reconstructions
    assert np.ptp(training.so_far.picture[:32]) > 0
    inside = ready._pages.widget(0)
    assert inside.widget().minimumSizeHint().width() <= 285  # of a dock of 320, less a scroll bar
    model = read_model(training.out / "nodule_vae.safetensors", "cpu")
    figures = model.card["figures"]
    assert f"AUC {figures['latent']['auc']:.3f}" in ready.figures.text()
    assert f"n = {PATIENTS}" in ready.figures.text()
    assert not ready.resume_button.isVisibleTo(ready)

    case = _marked(session, small_phantom, voxels, idle)
    before = case.description_of(case.finding)
    ready.use_button.click()
    idle(session)
    assert session.answers.expert.model.sha256 == model.sha256
    assert model.sha256[:8] in said(ready)
    assert model.sha256[:8] in ready.strip.about.text()
    assert f"{PATIENTS} known nodules" in ready.strip.about.text()
    after = case.description_of(case.finding)
    assert after is not before
    assert after.posterior.mean.shape == (4,)
    assert {near.record.patient for near in after.neighbours} <= {f"P{n}" for n in range(PATIENTS)}
    assert all(twin.true for twin in case.pictures_of(case.finding).twins)
    assert not ready.use_button.isEnabled()
    ready.back_button.click()
    assert session.answers.other is None
    assert session.answers.expert is None  # until the shipped one is loaded
    assert said(ready) == "The shipped model answers again."
    assert case.description_of(case.finding) is None
    idle(session)
    assert said(ready) == "The shipped model answers again."
    session.answers.switch(OtherModel(training.out / "a", training.out / "b"))
    assert said(ready) == ""  # it does no longer


def _marked(session, small_phantom, voxels, idle):
    """The phantom with a finding that the model now in use has described."""
    session.add(volume_to_layer(small_phantom.volume))
    case = session.case
    case.lungs = small_phantom.lungs
    session.click(voxels[0])
    idle(session)
    assert case.description_of(case.finding) is not None
    return case


def test_a_cancelled_training_keeps_its_epochs_and_resumes_with_its_own_settings(
    ready, window, idle, qtbot, nodule_folder
):
    training = ready.training
    settings(ready, epochs=12)
    ready.start_button.click()
    qtbot.waitUntil(lambda: len(done(ready)) >= 2, timeout=30_000)
    ready.stop_button.click()
    assert not training.running
    idle(window, timeout=3_000)
    kept = int(read_training(training.out / "training.safetensors").state["epoch"])
    assert said(ready) == f"Stopped. {kept} of 12 epochs are kept; Resume goes on."
    assert 2 <= kept < 12
    assert training.kept.model is None
    assert not ready.use_button.isVisibleTo(ready)

    again = TrainWidget(window.viewer)  # what it was begun with comes from the folder
    again.model_fold.unfold()
    qtbot.addWidget(again)
    choose(again, nodule_folder, training.out, idle)
    assert again.model_fold.values()["latent_dims"] == SMALL["latent_dims"]
    assert again.run_forms.wanted()[0].epochs == 12
    assert done(again) == list(range(1, kept + 1))
    settings(again, epochs=3)  # of no effect: the training's own settings hold
    again.resume_button.click()
    qtbot.waitUntil(lambda: not training.running, timeout=60_000)
    idle(window)
    assert done(again) == list(range(1, 13))
    assert training.kept.model is not None
    assert training.kept.over


def test_few_labels_are_told_to_a_model_that_can_and_a_resumed_training_hears_the_same(
    ready, window, idle, qtbot, nodule_folder
):
    training = ready.training
    ready.model_box.setCurrentText("M2")
    ready._on_model()
    ready.model_fold.fill(SMALL)
    settings(ready, epochs=500, labels=0.5, repeats=3)
    ready.start_button.click()
    qtbot.waitUntil(lambda: bool(done(ready)), timeout=30_000)
    ready.stop_button.click()
    idle(window)
    record = read_training(training.out / "training.safetensors").record
    known = record["samples"]["count"] - PATIENTS  # each of these comes twice more
    assert 0 < known < 2 * PATIENTS
    assert (record["samples"]["labels"], record["samples"]["repeats"]) == (0.5, 3)

    again = TrainWidget(window.viewer)
    qtbot.addWidget(again)
    choose(again, nodule_folder, training.out, idle)
    assert again.run_forms.wanted()[1] == NoduleLessons(0.5, 3)
    settings(again, epochs=3, labels=1.0, repeats=1)  # of no effect
    kept = training.kept.done
    again.resume_button.click()
    qtbot.waitUntil(lambda: not training.running or len(done(again)) > kept, timeout=30_000)
    assert training.running, said(again)
    again.stop_button.click()
    idle(window)


def test_labels_are_not_hidden_from_a_model_that_needs_them(ready, idle, qtbot):
    settings(ready, epochs=1, labels=0.5)
    ready.start_button.click()
    qtbot.waitUntil(lambda: not ready.training.running, timeout=30_000)
    idle(ready.session)
    assert "With hidden labels learn M2, SelfTraining, ThreePhases" in said(ready)
    settings(ready, epochs=1, labels=30)
    ready.start_button.click()
    assert said(ready) == "labels is a share, from 0 to 1; got 30."


def test_another_training_is_replaced_only_when_asked_twice(ready, idle, qtbot):
    training = ready.training
    settings(ready, epochs=1)
    ready.start_button.click()
    qtbot.waitUntil(lambda: not training.running, timeout=30_000)
    idle(ready.session)
    settings(ready, epochs=2)
    ready.start_button.click()
    assert not training.running
    assert "would be lost" in said(ready)
    ready.start_button.click()
    assert training.running
    qtbot.waitUntil(lambda: not training.running, timeout=30_000)
    idle(ready.session)
    assert done(ready) == [1, 2]


def test_wrong_settings_and_a_loss_that_is_no_number_are_told_in_words(ready, idle, qtbot):
    ready.run_forms.basic.editors["lr"].setText("fast")
    ready.start_button.click()
    assert said(ready) == "Lr must be a number; got 'fast'."
    settings(ready, epochs=0, lr=1e-3)
    ready.start_button.click()
    assert said(ready) == "epochs must be at least 1; got 0."
    settings(ready, epochs=3)
    ready.model_fold.fill({"pixel_weight": float("nan")})
    ready.start_button.click()
    qtbot.waitUntil(lambda: not ready.training.running, timeout=30_000)
    idle(ready.session)
    assert "no longer a number in epoch 1" in said(ready)
    bad = ready.training.out / "training_bad_batch.safetensors"
    assert str(bad) in said(ready)
    assert bad.is_file()
    assert ready.start_button.isEnabled()


def test_closing_the_window_in_the_middle_stops_the_training(
    make_napari_viewer, untrained_expert, nodule_folder, tmp_path, qtbot
):
    viewer = make_napari_viewer()
    session = session_of(viewer)
    session.answers.use(untrained_expert, "auto")
    widget = TrainWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Train")
    qtbot.waitUntil(lambda: bool(session.training.forms), timeout=30_000)
    choose(widget, nodule_folder, tmp_path, lambda s: qtbot.waitUntil(lambda: not s.busy))
    widget.model_fold.fill(SMALL)
    settings(widget, epochs=500)
    widget.start_button.click()
    qtbot.waitUntil(lambda: len(done(widget)) >= 1, timeout=30_000)
    viewer.close()
    threads = lambda: [t.name for t in threading.enumerate() if t.name == "vaemed-train"]  # noqa: E731
    qtbot.waitUntil(lambda: not threads(), timeout=10_000)
    assert (tmp_path / "training.safetensors").is_file()


def test_a_closed_dock_trains_no_more(ready, window, qtbot, idle):
    settings(ready, epochs=500)
    ready.start_button.click()
    training = ready.training
    qtbot.waitUntil(lambda: bool(training.so_far.epochs), timeout=30_000)
    ready.close()
    ready.deleteLater()
    qtbot.waitUntil(lambda: not training.running, timeout=5_000)
    idle(window)
    shutil.rmtree(training.out)  # nobody writes there any more


def test_a_stop_ends_an_epoch_in_its_middle_and_the_last_checkpoint_stays(nodule_folder, tmp_path):
    run = RunSettings(epochs=9, batch=4, device="cpu")
    stop = threading.Event()
    work = training(
        Wish(nodule_folder, tmp_path, "GaussianVAE", SMALL, run, NoduleLessons(bench_epochs=0)),
        stop,
    )
    while not next(work).epochs:
        pass
    stop.set()
    with pytest.raises(Stopped):
        next(work)
    assert int(read_training(tmp_path / "training.safetensors").state["epoch"]) == 1
    before_step.get()()  # nobody else is stopped
