import numpy as np

from napari_vaemed.plugin.parts.picture import Picture, grey_image


def test_the_window_s_ends_are_black_and_white_and_all_beyond_is_clipped():
    hu = np.array([[-3000, -1350, -600, 150, 3000]], np.int16)
    image = grey_image(hu, (-1350.0, 150.0))
    assert [image.pixelColor(x, 0).red() for x in range(5)] == [0, 0, 127, 255, 255]


def test_rows_and_columns_stay_where_they_are():
    hu = np.full((7, 13), -1350, np.int16)
    hu[5, 2] = 150
    image = grey_image(hu, (-1350.0, 150.0))
    assert (image.width(), image.height()) == (13, 7)
    assert image.pixelColor(2, 5).red() == 255
    assert image.pixelColor(5, 2).red() == 0


def test_a_picture_shows_its_slice_with_a_bar_of_ten_millimetres(qtbot):
    picture = Picture("CT", "a slice", side=96)
    qtbot.addWidget(picture)
    picture.resize(96, 96)
    picture.show_slice(np.full((32, 32), -1350, np.int16), (-1350.0, 150.0), 32.0)
    drawn = picture.grab().toImage()
    white = [drawn.pixelColor(x, 90).red() > 200 for x in range(96)]
    assert abs(sum(white) - 30) <= 2
