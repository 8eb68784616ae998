import threading
import time
import weakref

import pytest

from napari_vaemed.data.progress import Progress
from napari_vaemed.plugin.jobs import Jobs


@pytest.fixture
def jobs(qtbot):
    made = Jobs()
    yield made
    made.close()


def start(jobs, work, *, channel="c", lane="l", owner=None):
    heard = []
    job = jobs.start(work, title="Counting", channel=channel, lane=lane, owner=owner)
    job.progressed.connect(lambda step: heard.append(("step", step)))
    job.returned.connect(lambda value: heard.append(("returned", value)))
    job.failed.connect(lambda failure: heard.append(("failed", failure)))
    job.cancelled.connect(lambda: heard.append(("cancelled", None)))
    job.ended.connect(lambda: heard.append(("ended", None)))
    return job, heard


def counting(n, seconds=0.06):
    for i in range(n):
        yield Progress("Counting", i, n)
        time.sleep(seconds)
    return "done"


def test_a_generator_reports_its_steps_and_its_result(qtbot, jobs):
    job, heard = start(jobs, lambda: counting(3))
    qtbot.waitUntil(lambda: not job.live, timeout=3000)
    assert [kind for kind, _ in heard] == ["step"] * 4 + ["returned", "ended"]
    assert heard[2][1] == Progress("Counting", 1, 3)
    assert heard[4][1] == "done"
    assert jobs.running == ()


def test_a_plain_function_gives_its_value(qtbot, jobs):
    job, heard = start(jobs, lambda: 42)
    qtbot.waitUntil(lambda: not job.live, timeout=3000)
    assert heard == [("step", Progress("Counting")), ("returned", 42), ("ended", None)]


def test_work_runs_outside_the_gui_thread_and_answers_inside_it(qtbot, jobs):
    job, _ = start(jobs, threading.get_ident)
    where = []
    job.returned.connect(lambda ident: where.extend([ident, threading.get_ident()]))
    qtbot.waitUntil(lambda: not job.live, timeout=3000)
    assert where[0] != threading.get_ident()
    assert where[1] == threading.get_ident()


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), ValueError("bad"), KeyError("k")])
def test_no_error_of_a_generator_vanishes(qtbot, jobs, error):
    def work():
        yield Progress("Starting")
        raise error

    job, heard = start(jobs, work)
    qtbot.waitUntil(lambda: not job.live, timeout=3000)
    failure = dict(heard)["failed"]
    assert failure.error is error
    assert str(error) in failure.text
    assert "Traceback" in failure.details


def test_cancel_answers_at_once_and_closes_the_generator(qtbot, jobs):
    closed = threading.Event()

    def work():
        try:
            yield from counting(1000, 0.02)
        finally:
            closed.set()

    job, heard = start(jobs, work)
    qtbot.waitUntil(lambda: any(kind == "step" for kind, _ in heard), timeout=3000)
    job.cancel()
    assert [kind for kind, _ in heard][-2:] == ["cancelled", "ended"]
    assert closed.wait(2)
    so_far = list(heard)
    qtbot.wait(150)
    assert heard == so_far


def test_the_newest_of_a_channel_wins(qtbot, jobs):
    release = threading.Event()
    _, heard_old = start(jobs, lambda: release.wait(5) and "old")
    new, heard_new = start(jobs, lambda: "new")
    release.set()
    qtbot.waitUntil(lambda: not new.live, timeout=3000)
    qtbot.wait(50)
    assert [kind for kind, _ in heard_old if kind != "step"] == ["cancelled", "ended"]
    assert ("returned", "new") in heard_new


def test_lanes_do_not_wait_for_each_other(qtbot, jobs):
    release = threading.Event()
    slow, _ = start(jobs, lambda: release.wait(5), channel="a", lane="one")
    quick, _ = start(jobs, lambda: 1, channel="b", lane="two")
    qtbot.waitUntil(lambda: not quick.live, timeout=3000)
    assert slow.live
    release.set()
    qtbot.waitUntil(lambda: not slow.live, timeout=3000)


def test_a_result_about_something_that_has_gone_is_dropped(qtbot, jobs):
    owner, other = object(), object()
    _, heard = start(jobs, lambda: counting(5), channel="a", owner=owner)
    kept, _ = start(jobs, lambda: 1, channel="b", owner=other)
    jobs.cancel_of(owner)
    qtbot.waitUntil(lambda: not kept.live, timeout=3000)
    assert [kind for kind, _ in heard] == ["cancelled", "ended"]


def test_closing_ends_the_threads(qtbot):
    jobs = Jobs()
    start(jobs, lambda: counting(1000, 0.01), lane="closing")
    named = [t for t in threading.enumerate() if t.name == "vaemed-closing"]
    assert len(named) == 1
    jobs.close()
    named[0].join(2)
    assert not named[0].is_alive()
    with pytest.raises(RuntimeError, match="closed"):
        start(jobs, lambda: 1)


def test_a_brief_job_is_told_of_only_when_it_takes_longer(qtbot, jobs):
    gate = threading.Event()
    told = []
    jobs.changed.connect(lambda: told.append(jobs.shown))
    quick = jobs.start(lambda: 1, title="Quick", channel="a", lane="a", brief=True)
    qtbot.waitUntil(lambda: not quick.live)
    assert set(told) == {None}
    slow = jobs.start(lambda: gate.wait(10), title="Slow", channel="a", lane="a", brief=True)
    assert jobs.shown is None
    qtbot.waitUntil(lambda: jobs.shown is slow)
    gate.set()
    qtbot.waitUntil(lambda: jobs.shown is None)


def test_a_longer_job_stands_in_the_activity_dock_and_can_be_cancelled_there(qtbot, jobs):
    from napari.utils.progress import progress

    job, _ = start(jobs, lambda: counting(200, 0.02))
    qtbot.waitUntil(lambda: len(progress._all_instances) == 1, timeout=3000)
    bar = next(iter(progress._all_instances))
    assert "Counting" in bar.desc
    qtbot.waitUntil(lambda: bar.total == 200, timeout=3000)
    bar.cancel()
    assert not job.live
    assert len(progress._all_instances) == 0


@pytest.mark.parametrize("fails", [False, True])
def test_what_belongs_to_a_job_dies_in_the_gui_thread(qtbot, jobs, fails):
    class Held:
        """Stands for a widget that the work refers to."""

    where, release = [], threading.Event()

    def begin():
        held = Held()

        def work():
            yield Progress("Holding")
            release.wait(5)
            if fails:
                raise ValueError(f"{held} was refused")

        job, _ = start(jobs, work)
        for thing in (job, held):
            weakref.finalize(thing, lambda: where.append(threading.get_ident()))
        job.cancel()

    begin()
    qtbot.wait(50)
    release.set()
    qtbot.waitUntil(lambda: len(where) == 2, timeout=3000)
    assert set(where) == {threading.get_ident()}
