import pytest

from napari_vaemed.data.interval import Interval
from napari_vaemed.data.suggestion import Figures, Tried
from napari_vaemed.io.suggestion_figures import read_figures, write_figures
from napari_vaemed.workflow.click import shipped_click_net
from napari_vaemed.workflow.suggest import shipped_figures


def test_figures_come_back_as_they_were_written(tmp_path):
    tried = Tried("scans", "few", 3, 0, (), (Interval(2.0, 0.5, 3.5), Interval(1.0, 0.0, 2.0)))
    figures = Figures((0.3, 0.6), 1, (tried,), "abc")
    write_figures(tmp_path / "figures.json", figures)
    assert read_figures(tmp_path / "figures.json") == figures


@pytest.mark.parametrize("text", ["{}", "no json", '{"scores": 1, "usual": 0, "tried": []}'])
def test_another_file_is_refused_in_words(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"other\.json does not hold the figures"):
        read_figures(path)


def test_the_shipped_figures_are_of_the_shipped_network_and_sound():
    figures = shipped_figures()
    assert figures.model == shipped_click_net().sha256
    assert list(figures.scores) == sorted(figures.scores)
    assert {tried.name for tried in figures.tried} == {"crops", "patients", "phantoms"}
    for tried in figures.tried:
        for falling in (tried.sensitivity, tried.wrong):
            values = [each.value for each in falling]
            assert len(values) in (0, len(figures.scores))
            assert values == sorted(values, reverse=True)
