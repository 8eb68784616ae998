import threading

import pytest

from napari_vaemed.data.progress import Progress
from napari_vaemed.plugin.jobs import Jobs
from napari_vaemed.plugin.parts.status import StatusStrip


@pytest.fixture
def jobs(qtbot):
    made = Jobs()
    yield made
    made.close()


def test_the_strip_shows_progress_and_its_button_cancels(qtbot, jobs):
    strip = StatusStrip(jobs)
    qtbot.addWidget(strip)
    assert not strip.cancel.isVisibleTo(strip)
    go_on = threading.Event()

    def work():
        yield Progress("Finding the lungs", 3, 10)
        go_on.wait(5)
        yield Progress("Never said", 9, 10)

    # Steps that follow at once are not all shown; wait past the first, which says it began.
    def slow():
        threading.Event().wait(0.1)
        yield from work()

    job = jobs.start(slow, title="Lungs", channel="c", lane="l")
    qtbot.waitUntil(lambda: strip.doing.text() == "Finding the lungs", timeout=3000)
    assert (strip.bar.value(), strip.bar.maximum()) == (3, 10)
    strip.cancel.click()
    assert not job.live
    assert not strip.cancel.isVisibleTo(strip)
    go_on.set()


def test_the_caution_is_always_there(qtbot, jobs):
    strip = StatusStrip(jobs)
    qtbot.addWidget(strip)
    assert strip.caution.text() == "Research only – not a medical device"
