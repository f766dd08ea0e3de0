"""The generators as they are taught: what they answer, which layers learn, whence they go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from photochrom.colorize.errors import ModelError, SettingsError, WrongWeights
from photochrom.colorize.generator import load_generator
from photochrom.colorize.generator.colour import rgb_to_lab
from photochrom.colorize.generator.deoldify import LAYOUTS, DeOldify, denormalise
from photochrom.colorize.generator.known import find_model
from photochrom.colorize.generator.pocket import PocketNetwork
from photochrom.colorize.generator.resnet import Encoder
from photochrom.colorize.training.encoder import find_encoder
from photochrom.colorize.training.networks import Networks
from photochrom.colorize.training.trainable import Trainable, TrainableDeOldify, TrainablePocket
from tests.colorize.generator.small import small_network
from tests.colorize.training import tiny


def pocket(classes: int = 5, held_blocks: int = 5, filters_learn: bool = False) -> TrainablePocket:
    torch.manual_seed(0)
    return TrainablePocket(classes, held_blocks=held_blocks, filters_learn=filters_learn)


def deoldify(kind: str = "deep") -> TrainableDeOldify:
    torch.manual_seed(0)
    return TrainableDeOldify(small_network(kind))


def learning(generator: nn.Module) -> set[str]:
    return {name for name, p in generator.named_parameters() if p.requires_grad}


def names_of(generator: Trainable) -> Iterator[set[str]]:
    names = {id(p): name for name, p in generator.named_parameters()}
    for group in generator.groups():
        assert len({id(p) for p in group}) == len(group)
        yield {names[id(p)] for p in group}


# --- pocket --------------------------------------------------------------------------------------


def test_pockets_picture_has_the_true_lightness_and_its_own_colour() -> None:
    generator, batch = pocket().eval(), tiny.batch(2, 64)
    with torch.no_grad():
        generator.network.get_parameter("chroma.bias").copy_(torch.tensor([0.1, -0.1]))
        answer = generator(batch.grey, batch.rgb)
        plain = generator.network(batch.grey * 255)
    assert torch.equal(answer.ab, plain)
    assert answer.ab.shape == (2, 2, 32, 32)
    assert answer.logits.shape == (2, 5, 16, 16)
    seen, true = rgb_to_lab(denormalise(answer.picture)), rgb_to_lab(batch.rgb)
    assert (seen[:, 0] - true[:, 0]).abs().mean() < 0.5
    wide = F.interpolate(answer.ab, (64, 64), mode="bilinear", align_corners=False)
    assert (seen[:, 1:] - wide).abs().mean() < 0.5


def test_lower_arithmetic_leaves_pockets_colours_in_float32() -> None:
    generator, batch = pocket().eval(), tiny.batch(1, 32)
    with torch.autocast("cpu", torch.bfloat16):
        answer = generator(batch.grey, batch.rgb)
    assert (answer.picture.dtype, answer.ab.dtype) == (torch.float32, torch.float32)


def test_pockets_groups_are_later_blocks_and_all_that_follows() -> None:
    generator = pocket()
    blocks, fresh = names_of(generator)
    assert all(name.startswith("network.encoder.blocks.") for name in blocks)
    assert {int(name.split(".")[3]) for name in blocks} == set(range(5, 16))
    assert not any(name.endswith("depthwise.conv.weight") for name in blocks)
    everything = {name for name, _ in generator.named_parameters()}
    assert fresh == {name for name in everything if not name.startswith("network.encoder.")}
    assert {"head.weight", "head.bias"} <= fresh
    assert not blocks & fresh


@pytest.mark.parametrize(("held", "filters"), [(0, True), (0, False), (16, False)])
def test_more_or_less_of_pockets_encoder_may_learn(held: int, filters: bool) -> None:
    first, _ = names_of(pocket(held_blocks=held, filters_learn=filters))
    everything = {n for n, _ in pocket().named_parameters() if n.startswith("network.encoder.")}
    kinds = {name for name in everything if name.endswith("depthwise.conv.weight")}
    assert first == (set() if held else everything if filters else everything - kinds)


def test_pocket_holds_its_encoder_and_lets_it_go() -> None:
    generator = pocket()
    blocks, fresh = names_of(generator)
    generator.hold(True)
    assert learning(generator) == fresh
    generator.hold(False)
    assert learning(generator) == blocks | fresh


def test_pockets_encoder_keeps_imagenets_statistics_in_training() -> None:
    generator = pocket().train()
    before = {k: v.clone() for k, v in generator.network.encoder.state_dict().items()}
    batch = tiny.batch(2, 32)
    generator(batch.grey, batch.rgb)
    after = generator.network.encoder.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in after.items())
    assert generator.network.rises[0].training


# --- DeOldify's ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["deep", "wide"])
def test_deoldifys_groups_are_fastais_split(kind: str) -> None:
    generator = deoldify(kind)
    first, second, decoder = names_of(generator)
    assert {name.split(".")[3] for name in first} == {"0", "1", "4", "5"}
    assert {name.split(".")[3] for name in second} == {"6", "7"}
    assert all(name.startswith("network.layers.0.") for name in first | second)
    assert first | second | decoder == {name for name, _ in generator.named_parameters()}
    assert not first & second
    assert not (first | second) & decoder


def test_deoldifys_norms_learn_on_where_the_rest_is_held() -> None:
    generator = deoldify()
    first, second, decoder = names_of(generator)
    norms = {
        f"{name}.{part}"
        for name, module in generator.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for part in ("weight", "bias")
    }
    generator.hold(True)
    assert learning(generator) == decoder | (norms & (first | second))
    assert norms & first
    generator.hold(False)
    assert learning(generator) == first | second | decoder


def test_deoldify_answers_with_the_whole_picture() -> None:
    generator, batch = deoldify().eval(), tiny.batch(1, 64)
    answer = generator(batch.grey, batch.rgb)
    assert answer.picture.shape == (1, 3, 64, 64)
    assert answer.ab is None
    assert answer.logits is None
    other = generator(batch.grey, batch.rgb.flip(3))
    assert torch.equal(other.picture, answer.picture)


def test_pixel_shuffles_start_without_a_checkerboard() -> None:
    generator = deoldify()
    for layer in (4, 5, 6, 7):
        weight = generator.network.get_parameter(f"layers.{layer}.shuf.conv.0.weight_orig")
        assert torch.equal(weight[0::4], weight[3::4])
        assert not torch.equal(weight[0::4], weight[1::4].flip(0))
    last = generator.network.get_parameter("layers.8.conv.0.weight_v")
    assert torch.equal(last[0::4], last[1::4])


def test_there_are_three_groups_of_the_real_ones_too() -> None:
    for layout in LAYOUTS.values():
        with torch.device("meta"):
            generator = TrainableDeOldify(DeOldify(layout))
        counts = [sum(p.numel() for p in group) for group in generator.groups()]
        assert sum(counts) == sum(p.numel() for p in generator.parameters())
        assert all(counts)


# --- whence they go on ---------------------------------------------------------------------------


def test_pocket_begins_with_the_packages_encoder_or_another_file(tmp_path: Path) -> None:
    plain = tiny.networks(tiny.recipe()).generator.network
    assert isinstance(plain, PocketNetwork)
    released = torch.load(find_encoder(), weights_only=True)
    assert torch.equal(plain.encoder.stem.conv.weight, released["_conv_stem.weight"])
    released["_conv_stem.weight"] += 1
    torch.save(released, tmp_path / "mine.pth")
    mine = tiny.networks(tiny.recipe(backbone=str(tmp_path / "mine.pth"))).generator.network
    assert isinstance(mine, PocketNetwork)
    assert torch.equal(mine.encoder.stem.conv.weight, released["_conv_stem.weight"])


def test_pocket_goes_on_from_the_shipped_weights() -> None:
    shipped = find_model("pocket").embedded
    assert shipped is not None
    generator = tiny.networks(tiny.recipe(start=str(shipped))).generator.eval()
    grey = tiny.batch(1, 64).grey
    wanted = load_generator("pocket", precision="float32")(grey * 255)
    with torch.no_grad():
        assert torch.allclose(generator.network(grey * 255), wanted, atol=0.05)


@pytest.fixture
def small_artistic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make DeOldify's artistic generator a small one."""
    monkeypatch.setattr(f"{Networks.__module__}.DeOldify", lambda _: small_network("deep"))


def artistic(**files: str) -> Networks:
    phase = {**tiny.PHASE, "size": 64}
    return tiny.networks(
        tiny.recipe(
            family="artistic",
            average=0.0,
            content={"pixels": 1.0},
            critic={"kind": "patches", "width": 8},
            generator_phases=[phase],
            critic_phases=[phase],
            gan_phases=[{**tiny.GAN, "size": 64}],
            **files,
        )
    )


def torchvisions(encoder: Encoder) -> dict[str, torch.Tensor]:
    """Return the encoder's state as torchvision names it, with a classifier."""
    names = {"0": "conv1", "1": "bn1", **{str(n + 3): f"layer{n}" for n in range(1, 5)}}
    state = {"fc.weight": torch.zeros(1), "fc.bias": torch.zeros(1)}
    for name, value in encoder.state_dict().items():
        first, _, rest = name.partition(".")
        state[f"{names[first]}.{rest}"] = value
    return state


@pytest.mark.usefixtures("small_artistic")
def test_deoldify_begins_with_torchvisions_resnet(tmp_path: Path) -> None:
    torch.manual_seed(7)
    encoder = small_network("deep").layers[0]
    assert isinstance(encoder, Encoder)
    torch.save(torchvisions(encoder), tmp_path / "resnet.pth")
    network = artistic(backbone=str(tmp_path / "resnet.pth")).generator.network
    state = network.layers[0].state_dict()  # type: ignore[index, union-attr]
    for name, value in encoder.state_dict().items():
        assert torch.equal(state[name], value)


@pytest.mark.usefixtures("small_artistic")
def test_deoldify_goes_on_from_a_generator(tmp_path: Path) -> None:
    torch.manual_seed(7)
    state = small_network("deep").state_dict()
    torch.save({"model": state, "opt": {}}, tmp_path / "gen.pth")
    network = artistic(start=str(tmp_path / "gen.pth")).generator.network
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


@pytest.mark.usefixtures("small_artistic")
def test_files_that_are_missing_or_anothers_are_told(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"^artistic does not begin at random: name .* `backbone`"
    ):
        artistic()
    with pytest.raises(ModelError, match=r"is not this generator's ResNet"):
        artistic(backbone=str(find_encoder()))
    with pytest.raises(WrongWeights, match="fits another network"):
        artistic(start=str(find_model("pocket").embedded))
    with pytest.raises(ModelError, match=r"cannot read the weights .*none\.pth"):
        artistic(start=str(tmp_path / "none.pth"))
