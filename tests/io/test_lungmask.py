from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_vaemed.data.progress import finish
from napari_vaemed.io.lungmask import read_r231
from napari_vaemed.segmentation.lungs import NoLungs
from napari_vaemed.workflow.lungs import find_lungs, told_of

WIDTH = 4


def published_names(width: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes in lungmask's file, written out from its public architecture."""
    shapes: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, to: int, of: int, edge: int) -> None:
        shapes[f"{name}.weight"] = (to, of, edge, edge)
        shapes[f"{name}.bias"] = (to,)

    def norm(name: str, to: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (to,)
        shapes[f"{name}.num_batches_tracked"] = ()

    def block(name: str, of: int, to: int) -> None:
        convolution(f"{name}.residual_input_conv", to, of, 1)
        norm(f"{name}.residual_batchnorm", to)
        convolution(f"{name}.block.0", to, of, 3)
        norm(f"{name}.block.2", to)
        convolution(f"{name}.block.3", to, to, 3)
        norm(f"{name}.block.5", to)

    widths = [width * 2**level for level in range(5)]
    for level, (of, to) in enumerate(zip([1, *widths], widths, strict=False)):
        block(f"down_path.{level}", of, to)
    for level, to in enumerate(reversed(widths[:-1])):
        convolution(f"up_path.{level}.residual_input_conv", to, 2 * to, 1)
        norm(f"up_path.{level}.residual_batchnorm", to)
        convolution(f"up_path.{level}.up.1", to, 2 * to, 1)
        block(f"up_path.{level}.conv_block", 2 * to, to)
    convolution("last", 3, width, 1)
    return shapes


@pytest.fixture
def weights(tmp_path):
    """A file of the right make whose weights are noise."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in published_names(WIDTH).items():
        values = torch.rand(shape, generator=generator) * 0.2 + 0.9 * name.endswith("_var")
        state[name] = torch.tensor(1) if name.endswith("tracked") else values - 0.1
    path = tmp_path / "unet_r231-test.pth"
    torch.save(state, path)
    return path


def test_the_file_s_tensors_are_all_put_where_they_belong(weights):
    model = read_r231(weights, "cpu")
    stored = torch.load(weights, weights_only=True)
    mine = model.module.state_dict()
    assert set(mine) == {name for name in stored if "residual_" not in name}
    for name, value in mine.items():
        torch.testing.assert_close(value, stored[name])


def test_its_answer_is_what_the_published_network_computes(weights):
    """Layer by layer with torch's functions, after the published description."""
    state = torch.load(weights, weights_only=True)

    def block(name, x):
        for conv, norm in ((0, 2), (3, 5)):
            x = F.conv2d(x, state[f"{name}.{conv}.weight"], state[f"{name}.{conv}.bias"], padding=1)
            mean, var, weight, bias = (
                state[f"{name}.{norm}.{part}"]
                for part in ("running_mean", "running_var", "weight", "bias")
            )
            x = F.batch_norm(torch.relu(x), mean, var, weight, bias)
        return x

    x = torch.rand(1, 1, 32, 48, generator=torch.Generator().manual_seed(1))
    mine = read_r231(weights, "cpu").module(x)
    levels = []
    for level in range(5):
        x = block(f"down_path.{level}.block", F.avg_pool2d(x, 2) if level else x)
        levels.append(x)
    for level in range(4):
        x = F.interpolate(x, scale_factor=2, mode="bilinear")
        name = f"up_path.{level}.up.1"
        x = F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"])
        x = block(f"up_path.{level}.conv_block.block", torch.cat([x, levels[3 - level]], 1))
    wanted = F.conv2d(x, state["last.weight"], state["last.bias"])
    torch.testing.assert_close(mine, wanted)


def test_it_runs_on_a_scan_and_tells_where_it_is_from(weights, small_phantom):
    volume = replace(small_phantom.volume, hu=small_phantom.volume.hu[40:44])
    try:
        labels = finish(find_lungs(volume, "r231", weights=weights, device="cpu"))
    except NoLungs:
        labels = np.zeros(volume.shape, np.uint8)
    assert labels.shape == volume.shape
    assert set(np.unique(labels)) <= {0, 1, 2}
    assert "231 cases" in told_of("r231", weights, "cpu")


def test_other_files_are_refused_in_plain_words(tmp_path, weights):
    with pytest.raises(FileNotFoundError, match=r"unet_r231-\*\.pth"):
        read_r231(tmp_path / "no.pth")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(ValueError, match="no file of weights"):
        read_r231(tmp_path / "text.pth")
    torch.save({"a": torch.ones(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"last\.weight"):
        read_r231(tmp_path / "other.pth")
    state = torch.load(weights, weights_only=True)
    torch.save(state | {"last.weight": torch.ones(6, WIDTH, 1, 1)}, tmp_path / "lobes.pth")
    with pytest.raises(ValueError, match="6 classes"):
        read_r231(tmp_path / "lobes.pth")
    del state["down_path.0.block.0.weight"]
    torch.save(state, tmp_path / "part.pth")
    with pytest.raises(ValueError, match="do not fit"):
        read_r231(tmp_path / "part.pth")
    with pytest.raises(ValueError, match="give the file"):
        finish(find_lungs(None, "r231"))


class Evil:
    def __reduce__(self):
        return (print, ("run",))


def test_nothing_in_the_file_is_run(tmp_path, capsys):
    torch.save({"last.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="no file of weights"):
        read_r231(tmp_path / "evil.pth")
    assert capsys.readouterr().out == ""
