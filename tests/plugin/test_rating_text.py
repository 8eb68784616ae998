from napari_vaemed.plugin.rating_text import ratings_text


def test_malignancy_comes_first_and_what_is_not_known_is_left_out():
    assert ratings_text({"subtlety": 5.0, "texture": 4.5, "malignancy": 3.25}) == (
        "mal 3.25, sub 5, tex 4.5"
    )


def test_nothing_known_is_nothing_told():
    assert ratings_text({}) == ""
