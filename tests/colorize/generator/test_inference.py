"""The network rebuilt for painting answers as the one that is trained does."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from photochrom.colorize.generator import inference, rise, winograd
from photochrom.colorize.generator.blocks import SelfAttention, UnetBlock, spectral_conv
from photochrom.colorize.generator.colour import cbcr
from photochrom.colorize.generator.deoldify import DeOldify, denormalise, normalise
from photochrom.colorize.generator.filters import EIGHT, PlainConv
from photochrom.colorize.generator.inference import inference_form, weight_of
from photochrom.colorize.generator.painters import DeOldifyPainter
from photochrom.colorize.generator.replica import Replica
from photochrom.colorize.generator.winograd import TiledConv
from photochrom.colorize.picture import Photo
from tests.colorize.generator.small import learn, pictures, small_network, trained_state

CPU = torch.device("cpu")
ALIKE = 3e-5  # of answers in [-3, 3]
PHOTO = Path(__file__).parents[2] / "data" / "archive" / "landscapes" / "pont-du-gard.jpg"
Make = Callable[[str], DeOldify]
KINDS = pytest.mark.parametrize("kind", ["deep", "wide"])


@pytest.fixture(scope="module")
def make() -> Make:
    """Return what makes a trained network of either kind, as often as it is asked to."""
    state = cache(trained_state)

    def made(kind: str) -> DeOldify:
        network = small_network(kind)
        network.load_state_dict(state(kind))
        return network.eval()

    return made


def painting(network: DeOldify) -> DeOldify:
    return inference_form(network, torch.float32, CPU)


def parts(network: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [part for part in network.modules() if isinstance(part, kind)]


@torch.inference_mode()
def answer(network: nn.Module, x: Tensor) -> Tensor:
    made: Tensor = network(x.contiguous(memory_format=torch.channels_last))
    return made


@KINDS
@pytest.mark.parametrize("side", [80, 112, 128, 144, 176])
def test_both_forms_answer_alike(make: Make, kind: str, side: int) -> None:
    x = pictures(2, side)
    plain = answer(make(kind), x)
    assert plain.shape == x.shape
    assert plain.std() > 0.1
    torch.testing.assert_close(answer(painting(make(kind)), x), plain, rtol=0, atol=ALIKE)


@KINDS
def test_both_forms_answer_alike_in_small_strips(
    make: Make, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "STRIP", 40)
    monkeypatch.setattr(rise, "STRIP", 300)
    x = pictures(3, 80)
    torch.testing.assert_close(
        answer(painting(make(kind)), x), answer(make(kind), x), rtol=0, atol=ALIKE
    )


@KINDS
def test_the_form_for_gpus_answers_alike(
    make: Make, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = partial(PlainConv, dtype=torch.float32)
    monkeypatch.setattr(inference, "_builders", lambda *_: (build, build, EIGHT))
    x = pictures(2, 112)
    rebuilt = painting(make(kind))
    assert not parts(rebuilt, TiledConv)
    torch.testing.assert_close(answer(rebuilt, x), answer(make(kind), x), rtol=0, atol=ALIKE)


@KINDS
def test_the_form_for_painting_is_what_it_should_be(make: Make, kind: str) -> None:
    rebuilt = painting(make(kind))
    assert not parts(rebuilt, nn.Conv2d)
    assert not parts(rebuilt, nn.BatchNorm2d)
    assert len(parts(rebuilt, TiledConv)) > 5
    assert not any(parameter.requires_grad for parameter in rebuilt.parameters())
    assert not any(name.endswith("_orig") for name in rebuilt.state_dict())


@KINDS
def test_bfloat16_answers_in_float32_and_close(make: Make, kind: str) -> None:
    x = pictures(1, 112)
    coarse = inference_form(make(kind), torch.bfloat16, CPU)
    made = answer(coarse, x.bfloat16())
    assert made.dtype == torch.float32
    assert {tensor.dtype for tensor in coarse.state_dict().values()} == {torch.bfloat16}
    difference = (made - answer(make(kind), x)).abs()
    assert 1e-5 < difference.mean() < 0.03


@KINDS
def test_a_batch_is_as_its_pictures_one_by_one(make: Make, kind: str) -> None:
    rebuilt = painting(make(kind))
    x = pictures(5, 112)
    alone = torch.cat([answer(rebuilt, one[None]) for one in x])
    torch.testing.assert_close(answer(rebuilt, x), alone, rtol=0, atol=ALIKE)
    assert (alone[0] - alone[1]).abs().max() > 0.1


@KINDS
def test_a_photo_that_is_no_square_gets_its_plate(make: Make, kind: str) -> None:
    photo = Photo.open(PHOTO)
    assert photo.width != photo.height
    square = photo.square(112, photo.tone_table("auto"))
    painter = DeOldifyPainter(painting(make(kind)))
    replica = Replica(
        painter, name="small", weights_sha256="00" * 32, device=CPU, precision="float32"
    )
    plates = replica.chroma(square[None])
    grey = torch.tensor(square[None, None], dtype=torch.float32)
    wanted = 128 + 255 * cbcr(denormalise(answer(make(kind), normalise(grey))))
    assert np.abs(plates[0] - wanted[0].permute(1, 2, 0).numpy()).max() < 0.51
    assert np.ptp(plates) > 5


@KINDS
def test_attention_is_at_work_in_these_tests(make: Make, kind: str) -> None:
    x = pictures(1, 80)
    for form in (make(kind), painting(make(kind))):
        before = answer(form, x)
        (attention,) = parts(form, SelfAttention)
        assert isinstance(attention, SelfAttention)
        assert attention.gamma.item() != 0
        attention.gamma.data.zero_()
        assert (answer(form, x) - before).abs().max() > 0.01


def test_attention_is_over_the_queries() -> None:
    torch.manual_seed(2)
    attention = SelfAttention(48)
    nn.init.constant_(attention.gamma, 0.6)
    x = 2 * torch.randn(2, 48, 5, 7)
    for _ in range(20):
        attention(x)  # lets the spectral vectors settle
    attention.eval()
    flat = x.flatten(2)
    query, key, value = (
        torch.einsum("kc,ncp->nkp", weight_of(part)[:, :, 0].float(), flat)
        for part in (attention.query, attention.key, attention.value)
    )
    scores = torch.einsum("nkq,nkp->nqp", query, key)
    share = scores.softmax(1)  # (n, queries, keys)
    assert 0.3 < share.amax(1).mean() < 0.8  # neither even nor all for one
    wanted = x + 0.6 * torch.einsum("ncq,nqp->ncp", value, share).view_as(x)
    with torch.no_grad():
        torch.testing.assert_close(attention(x), wanted, rtol=0, atol=ALIKE)


def test_what_has_risen_a_pixel_too_far_is_cut_off() -> None:
    """Nearest neighbours of n + 1 pixels, n of them, are all but the last."""
    torch.manual_seed(3)
    block = UnetBlock(8, 4, 5, 6, deep=False, attention=False).eval()
    x, skip = torch.randn(1, 8, 3, 4), torch.randn(1, 4, 5, 7)
    with torch.no_grad():
        risen = block.shuf(x)[:, :, :5, :7]
        wanted = block.get_submodule("conv")(torch.cat([risen, block.bn(skip)], 1).relu())
        torch.testing.assert_close(block(x, skip), wanted, rtol=0, atol=ALIKE)


@KINDS
def test_the_form_that_is_trained_learns(make: Make, kind: str) -> None:
    network = make(kind).train()
    losses = learn(network, 6)
    assert losses[-1] < 0.97 * losses[0]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


@KINDS
def test_spectral_vectors_move_in_training_alone(make: Make, kind: str) -> None:
    network, x = make(kind), pictures(2, 64)
    before = {k: v.clone() for k, v in network.state_dict().items() if k.endswith("weight_u")}
    assert len(before) > 8
    answer(network, x)
    state = network.state_dict()
    assert all(torch.equal(state[name], before[name]) for name in before)
    network.train()(x)
    state = network.state_dict()
    assert not any(torch.equal(state[name], before[name]) for name in before)


def test_a_spectral_convolutions_largest_singular_value_is_one() -> None:
    torch.manual_seed(0)
    conv = spectral_conv(6, 9)
    nn.init.normal_(conv.get_parameter("weight_orig"), 0, 3)
    for _ in range(50):
        conv(torch.zeros(1, 6, 3, 3))
    conv.eval()
    used = weight_of(conv)
    assert torch.linalg.matrix_norm(used.flatten(1), 2).item() == pytest.approx(1, abs=1e-4)
    conv(torch.zeros(1, 6, 3, 3))
    torch.testing.assert_close(used.float(), conv.weight.detach(), rtol=0, atol=1e-6)
