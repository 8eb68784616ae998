from napari_vaemed.retrieval.told import chance_text, percentile_text, similarity_text


def test_nothing_is_told_as_certain_or_as_nothing():
    assert [chance_text(c) for c in (0.0, 0.075, 0.5, 0.999)] == ["<1 %", "8 %", "50 %", ">99 %"]
    assert [similarity_text(s) for s in (1e-9, 0.0421, 1.0)] == ["<0.001", "0.042", "1"]
    assert [percentile_text(p) for p in (0.0, 98.76, 100.0)] == ["0.0 %", "98.7 %", "99.9 %"]
