from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from photochrom.colorize.errors import ModelError, SettingsError
from photochrom.colorize.generator.weights import digest
from photochrom.colorize.scoring.lite import SIDE, WIDTH, Encoder, Lite1
from photochrom.colorize.training import encoder as packages
from photochrom.colorize.training.encoder import find_encoder, load_encoder
from tests.colorize.scoring.shown import photograph

CATS = {281, 282, 283, 284, 285}  # ImageNet's: tabby to Egyptian
ESPRESSO = 967


class Classifier(Lite1):
    """Lite1 with the classes that it was trained for."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = nn.Linear(WIDTH, 1000)

    def forward(self, pictures: Tensor) -> Tensor:
        classes: Tensor = self.classes(super().forward(pictures))
        return classes


def square(name: str) -> Tensor:
    image = Image.fromarray(photograph(name, 400)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


@torch.inference_mode()
def test_it_knows_a_cat_and_a_cup_of_coffee() -> None:
    network = Classifier()
    load_encoder(network, find_encoder("lite1"))
    network.eval()
    cat, coffee = (network(square(name)).softmax(1)[0] for name in ("chelsea", "coffee"))
    assert int(cat.argmax()) in CATS
    assert int(coffee.argmax()) == ESPRESSO
    assert coffee.max() > 0.5


def test_sides_are_padded_as_tensorflow_does() -> None:
    network = Lite1()
    pads = [block.depthwise.pads for block in network.blocks]
    strided = [pad for pad in [network.stem.pads, *pads] if pad is not None]
    assert strided == [(0, 1), (0, 1), (1, 2), (0, 1), (2, 2)]  # of 240, 120, 60, 30 and 15


@torch.inference_mode()
def test_folded_norms_answer_the_same() -> None:
    plain, folded = Lite1(), Lite1()
    for network in (plain, folded):
        load_encoder(network, find_encoder("lite1"))
        network.eval()
    folded.fuse()
    assert torch.allclose(plain(square("coffee")), folded(square("coffee")), atol=1e-4)


def test_the_encoder_says_which_weights_it_has() -> None:
    encoder = Encoder(device="cpu")
    assert encoder.weights_sha256 == digest(find_encoder("lite1"))
    pictures = [photograph("chelsea"), photograph("coffee")]
    features = encoder.features(pictures)
    assert features.shape == (2, WIDTH)
    assert torch.allclose(encoder.features(pictures[1:]), features[1:], atol=1e-4)
    assert (features[0] - features[1]).abs().mean() > 0.1


def test_other_weights_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "lite.pth"
    torch.save({"_conv_stem.weight": torch.zeros(32, 3, 3, 3)}, file)
    with pytest.raises(ModelError, match="is not EfficientNet-Lite1"):
        load_encoder(Lite1(), file)


def test_a_missing_package_is_named_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = packages.PACKAGES["lite1"]._replace(module="no_such_package_of_weights")
    monkeypatch.setitem(packages.PACKAGES, "lite1", gone)
    with pytest.raises(SettingsError, match=r"photochrom\[score\]"):
        Encoder()
