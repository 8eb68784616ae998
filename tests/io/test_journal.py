import csv
import signal
import subprocess
import sys
import threading
from hashlib import sha256

import numpy as np
import pytest

from napari_vaemed.io.journal import (
    COLUMNS,
    Entry,
    append_entry,
    file_sha256,
    mask_sha256,
    read_journal,
    withdraw,
)

COMMENT = 'vessel, "hilum" left out\nsee slice 12 – Größe'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "verdicts.csv"


def test_entries_come_back_as_they_were_written(path):
    written = [
        append_entry(path, Entry("masks", "accept", file_sha256="a" * 64, mask_sha256="b" * 64)),
        append_entry(path, Entry("masks", "fix", COMMENT, case="0001")),
    ]
    assert read_journal(path).entries == tuple(written)
    assert written[1].comment == 'vessel, "hilum" left out see slice 12 – Größe'
    assert len({entry.number for entry in written}) == 2


def test_a_spreadsheet_can_read_it(path):
    append_entry(path, Entry("masks", "fix", COMMENT))
    with path.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["verdict"] == "fix"
    assert row["time"].endswith("+00:00")
    assert [*row] == [*COLUMNS, "check"]


def test_nothing_is_said_of_the_case_unless_asked(path):
    append_entry(path, Entry("masks", "accept", file_sha256="a" * 64))
    assert b"Murnau" not in path.read_bytes()
    assert read_journal(path).entries[0].case == ""


def test_taking_back_is_a_line_and_so_is_taking_that_back(path):
    kept, wrong = (append_entry(path, Entry("masks", v)) for v in ("accept", "reject"))
    back = withdraw(path, wrong)
    assert read_journal(path).standing == (kept,)
    withdraw(path, back)
    assert read_journal(path).standing == (kept, wrong)
    assert len(read_journal(path).entries) == 4


def test_a_line_torn_at_any_byte_is_set_aside_and_the_next_one_is_whole(path):
    first = append_entry(path, Entry("masks", "accept", COMMENT))
    whole = path.read_bytes()
    append_entry(path, Entry("masks", "reject", COMMENT, case="x"))
    both = path.read_bytes()
    for end in range(len(whole) + 1, len(both) - 1):
        path.write_bytes(both[:end])
        journal = read_journal(path)
        assert journal.entries == (first,)
        assert len(journal.torn) == 1
    third = append_entry(path, Entry("masks", "fix"))
    assert read_journal(path).entries == (first, third)
    assert len(read_journal(path).torn) == 1


def test_a_header_torn_off_does_not_stop_the_journal(path):
    append_entry(path, Entry("masks", "accept"))
    path.write_bytes(path.read_bytes()[:20])
    entry = append_entry(path, Entry("masks", "fix"))
    assert read_journal(path).entries == (entry,)


KILLED = """
import os, signal, sys
from napari_vaemed.io import journal
path, cut = sys.argv[1], int(sys.argv[2])
for verdict in ("accept", "fix"):
    print(journal.append_entry(path, journal.Entry("masks", verdict)).number, flush=True)
whole = os.write
def half(file, line):
    whole(file, line[:cut])
    os.kill(os.getpid(), signal.SIGKILL)
os.write = half
journal.append_entry(path, journal.Entry("masks", "reject", "x" * 300))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_verdicts_survive_a_kill_in_the_middle_of_a_write(path):
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), "150"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == -signal.SIGKILL
    journal = read_journal(path)
    assert [entry.number for entry in journal.entries] == ran.stdout.split()
    assert [entry.verdict for entry in journal.entries] == ["accept", "fix"]
    assert len(journal.torn) == 1
    append_entry(path, Entry("masks", "reject"))
    assert len(read_journal(path).entries) == 3


BUSY = """
import sys
from napari_vaemed.io.journal import Entry, append_entry
while True:
    print(append_entry(sys.argv[1], Entry("masks", "fix", "y" * 200)).number, flush=True)
"""


def test_what_was_acknowledged_before_a_kill_is_there(path):
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", BUSY, str(path)], stdout=subprocess.PIPE, text=True
        ) as busy:
            assert busy.stdout is not None
            told = [busy.stdout.readline().strip() for _ in range(20)]
            busy.kill()
            told += busy.stdout.read().split("\n")[:-1]
        assert set(told) <= {entry.number for entry in read_journal(path).entries}


def test_two_desks_can_write_at_once(path):
    def write(desk):
        for _ in range(40):
            append_entry(path, Entry(desk, "accept", "z" * 100))

    threads = [threading.Thread(target=write, args=(desk,)) for desk in ("masks", "labels")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal = read_journal(path)
    assert not journal.torn
    assert sorted(entry.desk for entry in journal.entries) == ["labels"] * 40 + ["masks"] * 40


def test_hashes_are_those_of_other_tools(tmp_path):
    file = tmp_path / "scan.bin"
    file.write_bytes(b"voxels" * 1000)
    assert file_sha256(file) == sha256(b"voxels" * 1000).hexdigest()
    before = file_sha256(tmp_path)
    file.rename(tmp_path / "renamed.bin")
    assert file_sha256(tmp_path) == before


def test_equal_masks_have_equal_hashes_whatever_their_type():
    mask = np.arange(24).reshape(2, 3, 4)
    assert mask_sha256(mask.astype(np.uint8)) == mask_sha256(np.asfortranarray(mask))
    assert mask_sha256(mask) != mask_sha256(mask.reshape(3, 2, 4))
    assert mask_sha256(mask > 3) == mask_sha256((mask > 3).astype(np.uint8))


def test_no_journal_is_an_empty_one_and_another_file_is_refused(path, tmp_path):
    assert read_journal(path).entries == ()
    path.write_text("a table,of something else\n1,2\n")
    with pytest.raises(ValueError, match="no journal"):
        read_journal(path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        append_entry(tmp_path / "nowhere" / "verdicts.csv", Entry("masks", "fix"))
