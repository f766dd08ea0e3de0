"""Frozen encoders: whose weights they take, where they are looked into, that they stay still."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from photochrom.colorize.errors import ModelError, SettingsError
from photochrom.colorize.generator.deoldify import standardise
from photochrom.colorize.generator.lite0 import Lite0
from photochrom.colorize.training.encoder import find_encoder, load_encoder
from photochrom.colorize.training.features import (
    DEPTHS,
    FrozenEncoder,
    Vgg16,
    feature_error,
    load_features,
)
from tests.colorize.training import tiny

CONVOLUTIONS = (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40)  # of torchvision's vgg16_bn
POOLINGS = (6, 13, 23, 33, 43)


def vgg_names() -> set[str]:
    """Return the names in torchvision's file, but for the classifier's."""
    names = set[str]()
    for at in CONVOLUTIONS:
        names |= {f"features.{at}.weight", f"features.{at}.bias"}
        names |= {f"features.{at + 1}.{part}" for part in ("weight", "bias", "running_mean")}
        names |= {f"features.{at + 1}.{part}" for part in ("running_var", "num_batches_tracked")}
    return names


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write made-up weights as torchvision lays them out."""
    torch.manual_seed(0)
    state = dict(Vgg16().state_dict()) | {"classifier.0.weight": torch.zeros(4, 4)}
    file = tmp_path_factory.mktemp("vgg") / "vgg16_bn.pth"
    torch.save(state, file)
    return file


@pytest.fixture(params=["vgg16_bn", "lite0"])
def encoder(request: pytest.FixtureRequest, vgg_file: Path) -> FrozenEncoder:
    name = request.param
    return load_features(name, str(vgg_file) if name == "vgg16_bn" else "")


def test_the_names_are_torchvisions() -> None:
    assert Vgg16().state_dict().keys() == vgg_names()
    parts = Vgg16().features
    assert [n for n, part in enumerate(parts) if isinstance(part, nn.MaxPool2d)] == list(
        POOLINGS[:4]
    )
    assert len(parts) == POOLINGS[4]  # the last is left out
    assert [n for n, part in enumerate(parts) if isinstance(part, nn.Conv2d)] == list(CONVOLUTIONS)


def test_what_stands_before_the_last_three_poolings_is_looked_at(vgg_file: Path) -> None:
    vgg = load_features("vgg16_bn", str(vgg_file))
    assert isinstance(vgg, Vgg16)
    picture = tiny.batch(1, 64).picture
    found = vgg.look(picture)
    for features, pooling in zip(found, POOLINGS[2:], strict=True):
        wanted = vgg.features[:pooling](picture)
        assert torch.equal(features, wanted)
        assert features.min() == 0
    assert [tuple(f.shape[1:]) for f in found] == [(256, 16, 16), (512, 8, 8), (512, 4, 4)]


def test_lite0_is_the_packages_and_sees_what_pocket_sees() -> None:
    lite = load_features("lite0", "")
    plain = Lite0().eval()
    load_encoder(plain, find_encoder())
    batch = tiny.batch(1, 64)
    for features, wanted in zip(
        lite.look(batch.picture), plain((batch.rgb * 255 - 127) / 128), strict=True
    ):
        assert torch.allclose(features, wanted, atol=1e-3)


def test_every_encoder_says_how_wide_and_deep_it_is(encoder: FrozenEncoder) -> None:
    found = encoder.look(tiny.batch(1, 64).picture)
    assert encoder.widths == tuple(f.shape[1] for f in found)
    assert len(found) == DEPTHS["vgg16_bn" if isinstance(encoder, Vgg16) else "lite0"]


def test_it_stays_still_in_a_network_that_trains(encoder: FrozenEncoder) -> None:
    picture, around = tiny.batch(1, 64).picture, nn.ModuleList([encoder])
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    first = encoder.look(picture)
    around.train()
    assert all(map(torch.equal, encoder.look(picture), first))
    assert not any(part.training for part in encoder.modules())
    assert not any(p.requires_grad for p in encoder.parameters())
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_errors_of_features_are_weighted_sums(encoder: FrozenEncoder) -> None:
    batch, depths = tiny.batch(1, 64), len(encoder.widths)
    other = standardise(batch.grey.expand(-1, 3, -1, -1)).requires_grad_()

    def error(*weights: float) -> Tensor:
        return feature_error(encoder, other, batch.picture, weights)

    alone = [error(*(float(n == m) for m in range(depths))).item() for n in range(depths)]
    assert min(alone) > 0
    assert error(*range(1, depths + 1)).item() == pytest.approx(
        sum(n * one for n, one in enumerate(alone, 1)), rel=1e-4
    )
    error(*([1.0] * depths)).backward()  # type: ignore[no-untyped-call]
    assert other.grad is not None
    assert other.grad.abs().sum() > 0
    assert feature_error(encoder, batch.picture, batch.picture, [1.0] * depths).item() == 0


def test_files_that_are_missing_or_anothers_are_told(tmp_path: Path, vgg_file: Path) -> None:
    with pytest.raises(SettingsError, match=r"^content\.encoder_weights: name the torch file"):
        load_features("vgg16_bn", "")
    with pytest.raises(ModelError, match=r"cannot read the weights .*none\.pth"):
        load_features("vgg16_bn", str(tmp_path / "none.pth"))
    with pytest.raises(ModelError, match="is not VGG-16-BN"):
        load_features("vgg16_bn", str(find_encoder()))
    with pytest.raises(ModelError, match="is not EfficientNet-Lite0"):
        load_features("lite0", str(vgg_file))
