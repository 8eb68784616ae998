import gc
import threading
import weakref

import pytest

from napari_vaemed.plugin.garbage import GuiThreadGarbage
from napari_vaemed.plugin.jobs import Jobs


class Ring:
    """Ends only when the collector finds it."""

    def __init__(self):
        self.me = self
        self.ended_in = []
        weakref.finalize(self, lambda said: said.append(threading.get_ident()), self.ended_in)


def make_garbage():
    for _ in range(200_000):
        ring = []
        ring.append(ring)


@pytest.fixture
def garbage(qtbot):
    made = GuiThreadGarbage()
    yield made
    qtbot.waitUntil(gc.isenabled)


def test_a_thread_that_works_ends_nothing_of_the_gui_thread(qtbot):
    jobs = Jobs()
    old = Ring().ended_in
    young = []

    def work():
        young.append(Ring().ended_in)
        make_garbage()

    job = jobs.start(work, title="Littering", channel="c", lane="litter")
    qtbot.waitUntil(lambda: not job.live, timeout=10_000)
    qtbot.waitUntil(gc.isenabled)
    jobs.close()
    gc.collect()
    assert old == young[0] == [threading.get_ident()]


def test_what_is_made_meanwhile_is_collected_meanwhile(qtbot, garbage):
    garbage.hold()
    ended_in = Ring().ended_in
    make_garbage()
    qtbot.waitUntil(lambda: ended_in != [], timeout=3000)
    assert not gc.isenabled()
    garbage.release()


def test_the_collector_is_given_back_by_the_last_holder(qtbot, garbage):
    frozen = gc.get_freeze_count()
    garbage.hold()
    garbage.hold()
    assert gc.get_freeze_count() > frozen
    garbage.release()
    qtbot.wait(60)
    assert not gc.isenabled()
    garbage.release()
    qtbot.waitUntil(gc.isenabled)
    assert gc.get_freeze_count() == 0


def test_a_collector_that_is_off_stays_off(qtbot, garbage):
    gc.disable()
    garbage.hold()
    garbage.release()
    qtbot.wait(60)
    assert not gc.isenabled()
    gc.enable()
