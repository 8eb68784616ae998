"""Findings are kept whole or not at all, for their own image only."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.data.finding import ErrorBars, Measurement, NoduleMask, SolidPart
from napari_vaemed.data.interval import Interval
from napari_vaemed.data.kept_finding import KeptFinding
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.finding_store import (
    JOURNAL,
    MASKS,
    ImageKey,
    image_key,
    keep_findings,
    may_hold,
    read_findings,
)

KEY = ImageKey("s" * 64, "i" * 64)
ENDS = ((1.0, 2.0, 3.0), (1.0, 8.5, 3.0))


def finding(label, seed=None):
    rng = np.random.default_rng(label if seed is None else seed)
    measured = Measurement(
        centre_mm=(1.5, -2.5, 3.0),
        longest_mm=8.25,
        perpendicular_mm=6.5,
        slice_index=7,
        longest_ends=ENDS,
        perpendicular_ends=ENDS,
        volume_mm3=210.0,
        mean_hu=12.5,
        partial_volume_mm3=203.0,
        longest_3d_mm=9.0,
        hu_percentiles=(-700.0, -50.0, 10.0, 30.0, 60.0),
        sphericity=0.91,
        density="solid",
        solid=SolidPart(7.0, 6.0, 150.0),
        side="left",
        pleura_mm=12.0,
    )
    bars = ErrorBars(mean_mm=Interval(7.4, 6.9, 8.0), clicks=12)
    mask = NoduleMask(rng.random((3, 7, 5)) < 0.6, (4, 5, 6))
    return KeptFinding(label, (5.0, 8.0, 8.0), mask, measured, "the large one", "network", bars)


def test_what_was_kept_comes_back_to_the_last_bit(tmp_path):
    kept = [finding(1), finding(2)]
    keep_findings(tmp_path, KEY, (), kept)
    back = read_findings(tmp_path, KEY)
    assert [each.label for each in back.findings] == [1, 2]
    for one, other in zip(back.findings, kept, strict=True):
        assert one.measurement == other.measurement
        assert one.bars == other.bars
        assert one.mask.same_as(other.mask)
        assert (one.voxel, one.title, one.method) == (other.voxel, other.title, other.method)
    assert back.since == time.strftime("%Y-%m-%d", time.gmtime())
    assert (back.elsewhere, back.damaged) == (0, 0)


def test_taking_away_and_bringing_back_are_lines_more(tmp_path):
    one, two = finding(1), finding(2)
    keep_findings(tmp_path, KEY, (), [one, two])
    keep_findings(tmp_path, KEY, [one, two], [two])
    assert [f.label for f in read_findings(tmp_path, KEY).findings] == [2]
    keep_findings(tmp_path, KEY, [two], [one, two])
    assert [f.label for f in read_findings(tmp_path, KEY).findings] == [1, 2]
    assert len((tmp_path / JOURNAL).read_text().splitlines()) == 1 + 4


def test_a_corrected_outline_takes_the_place_of_the_first(tmp_path):
    before, after = finding(1), finding(1, seed=9)
    keep_findings(tmp_path, KEY, (), [before])
    keep_findings(tmp_path, KEY, [before], [after])
    (back,) = read_findings(tmp_path, KEY).findings
    assert back.mask.same_as(after.mask)


def test_a_new_name_or_error_bars_need_no_line(tmp_path):
    before = finding(1)
    after = replace(before, title="apex", bars=None)
    keep_findings(tmp_path, KEY, (), [before])
    keep_findings(tmp_path, KEY, [before], [after])
    (back,) = read_findings(tmp_path, KEY).findings
    assert (back.title, back.bars) == ("apex", None)
    assert len((tmp_path / JOURNAL).read_text().splitlines()) == 1 + 1


def test_another_image_of_the_series_gets_none_but_a_count(tmp_path):
    keep_findings(tmp_path, KEY, (), [finding(1), finding(2)])
    other = read_findings(tmp_path, ImageKey(KEY.series, "j" * 64))
    assert other.findings == ()
    assert other.elsewhere == 2
    stranger = read_findings(tmp_path, ImageKey("t" * 64, "j" * 64))
    assert (stranger.findings, stranger.elsewhere) == ((), 0)


def test_two_windows_keep_each_other_s_findings(tmp_path):
    one, two, three = finding(1), finding(2), finding(3)
    keep_findings(tmp_path, KEY, (), [one])
    keep_findings(tmp_path, KEY, [one], [one, two])
    keep_findings(tmp_path, KEY, [one], [one, three])
    assert [f.label for f in read_findings(tmp_path, KEY).findings] == [1, 2, 3]


def test_a_damaged_mask_is_counted_and_the_others_come_back(tmp_path):
    keep_findings(tmp_path, KEY, (), [finding(1), finding(2)])
    victim = sorted((tmp_path / MASKS).iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:100])
    back = read_findings(tmp_path, KEY)
    assert len(back.findings) == 1
    assert back.damaged == 1


def test_the_key_tells_voxels_and_spacing_apart_but_not_memory_layout():
    hu = np.random.default_rng(0).integers(-1000, 500, (4, 6, 5)).astype(np.int16)
    one = image_key(Volume(hu, (2.0, 1.0, 1.0), series_uid="1.2.3"))
    assert one == image_key(Volume(np.asfortranarray(hu), (2.0, 1.0, 1.0), series_uid="1.2.3"))
    assert one.image != image_key(Volume(hu + np.int16(1), (2.0, 1.0, 1.0))).image
    assert one.image != image_key(Volume(hu, (2.0, 1.0, 1.1))).image
    assert "1.2.3" not in one.series
    assert image_key(Volume(hu, (2.0, 1.0, 1.0))).series == ""


def test_nothing_is_made_by_looking(tmp_path):
    folder = tmp_path / "none"
    volume = Volume(np.zeros((2, 2, 2), np.int16), (1.0, 1.0, 1.0))
    assert not may_hold(folder, volume)
    assert read_findings(folder, KEY).findings == ()
    assert not folder.exists()


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_finding_store import KEY, finding
from napari_vaemed.io.finding_store import keep_findings
before = ()
for n in range(1, 10_000):
    now = (*before, finding(n))
    if n % 5 == 0:
        now = now[1:]
    keep_findings(Path(sys.argv[1]), KEY, before, now)
    before = now
    print(" ".join(str(f.label) for f in now), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_process_killed_in_the_middle_leaves_what_it_had_said(tmp_path):
    here = os.path.dirname(__file__)
    command = [sys.executable, "-c", WRITER, str(tmp_path), here]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        said = [writer.stdout.readline() for _ in range(12)]
        time.sleep(0.003)
        os.kill(writer.pid, signal.SIGKILL)
        said += writer.stdout.readlines()
    labels = {int(n) for n in said[-1].split()}
    back = read_findings(tmp_path, KEY)
    assert back.damaged == 0
    found = {each.label for each in back.findings}
    newest = max(labels)
    # the next change may have been written before it was said: one more, or also the oldest gone
    assert found in (labels, labels | {newest + 1}, labels - {min(labels)} | {newest + 1})
    for each in back.findings:
        assert each.mask.same_as(finding(each.label).mask)
    keep_findings(tmp_path, KEY, back.findings, [finding(9999)])
    assert [f.label for f in read_findings(tmp_path, KEY).findings] == [9999]
