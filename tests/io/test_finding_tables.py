import pytest

from napari_vaemed.data.interval import Interval
from napari_vaemed.io.finding_tables import read_findings_csv

HEAD = (
    "finding,name,centre_mm_x,centre_mm_y,centre_mm_z,mean_mm,mean_mm_low,mean_mm_high,"
    "partial_volume_mm3,volume_mm3_low,volume_mm3_high,cannot_be_measured\n"
)


def test_a_saved_table_is_read_with_its_error_bars(tmp_path):
    path = tmp_path / "findings.csv"
    path.write_text(HEAD + "3,apex,1.5,-2,3,8.4,7.5,9.3,300.04,250,350,\n"
                           "4,,0,0,0,5.0,,,70,,,Too thick.\n")  # fmt: skip
    one, other = read_findings_csv(path)
    assert (one.label, one.name, one.centre_mm) == (3, "apex", (1.5, -2.0, 3.0))
    assert one.mean_mm == Interval(8.4, 7.5, 9.3)
    assert one.volume_mm3 == Interval(300.04, 250, 350)
    assert (other.name, other.refused) == ("Finding 4", "Too thick.")
    assert not other.mean_mm.known


@pytest.mark.parametrize(
    ("text", "said"),
    [("finding,x\n1,2\n", "no column centre_mm_x"), (HEAD + "1,a,b,0,0,1,,,1,,,\n", "line 2")],
)
def test_what_is_no_such_table_is_refused(tmp_path, text, said):
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        read_findings_csv(path)
