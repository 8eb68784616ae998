import torch

from napari_vaemed.models.segmenters.click_net import (
    COARSEST_MM,
    FINEST_MM,
    LOOK_SHAPE,
    ClickNet,
    fitting_step,
)


def test_a_fitting_step_follows_the_nodule_within_limits():
    assert fitting_step(2.0) == FINEST_MM
    assert fitting_step(80.0) == COARSEST_MM
    assert fitting_step(20.0) == 2 * fitting_step(10.0)
    assert fitting_step(30.0) * LOOK_SHAPE[0] > 2 * 30.0  # its surroundings are seen as well


def test_air_of_any_kind_looks_the_same():
    net = ClickNet().eval()
    told = torch.ones(1, 1, *LOOK_SHAPE, dtype=torch.bool)
    with torch.inference_mode():
        first, second = (
            net.look(torch.full((1, 1, *LOOK_SHAPE), hu), told, torch.ones(1))[1]
            for hu in (-1024.0, -3024.0)
        )
    assert float(first) == float(second)
