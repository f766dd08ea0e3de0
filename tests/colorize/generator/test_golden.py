"""Our DeOldify against the original programme, number by number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from photochrom.colorize.generator import Generator, load_generator
from photochrom.colorize.generator.conversion import convert
from photochrom.colorize.generator.deoldify import DEVIATION, MEAN, REACH
from photochrom.colorize.generator.device import computes_in
from photochrom.colorize.generator.original import model_input, raw_colour
from photochrom.colorize.generator.weights import fill, read_weights
from tests.colorize.generator.golden import (
    CLOSE,
    DATA,
    GOLDEN,
    WEIGHTS_SHA256,
    Case,
    excess,
    likeness,
    more_cases,
    stored_cases,
)
from tests.colorize.generator.reference import blank, content_sha256

Files = Callable[[str], Path]
Generators = Callable[[str], Generator]
LIKE = 50.0  # decibels
NOT_HERE = "needs all recorded cases, which lie beside this repository, not in it"
SLOW = {"stable", "critic"}


def cases(found: list[Case]) -> pytest.MarkDecorator:
    slow = [pytest.mark.slow]
    return pytest.mark.parametrize(
        "case",
        [
            pytest.param(case, id=case.name, marks=slow if case.model in SLOW else [])
            for case in sorted(found, key=lambda case: case.model)
        ],
    )


def trained(name: str, file: Path) -> nn.Module:
    """Return the network as it is trained, with its weights."""
    network = blank(name)
    fill(network, read_weights(file), file)
    return network.eval()


def check(raw: Tensor, case: Case) -> None:
    """Hold an answer against the original's."""
    assert raw.dtype == torch.float32
    assert raw.abs().max() <= REACH
    assert excess(raw, case.raw) < CLOSE
    picture = np.asarray(raw_colour(raw, *case.image.size)).astype(int)
    assert np.abs(picture - case.raw_colour).max() <= 1


@pytest.mark.parametrize(
    "name",
    ["artistic", *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(SLOW))],
)
def test_the_weights_are_those_that_the_original_was_run_with(
    reference_file: Files, name: str
) -> None:
    weights = read_weights(reference_file(name))
    assert content_sha256(weights.tensors) == WEIGHTS_SHA256[name]


@cases(stored_cases())
def test_painting_gives_the_originals_answer(generator: Generators, case: Case) -> None:
    raw = generator(case.model)(model_input(case.image, case.side))
    check(raw, case)
    wanted = next(one for one in GOLDEN["cases"] if DATA / one["raw"] == case.raw_file)
    assert float(raw.mean()) == pytest.approx(wanted["raw_mean"], abs=1e-5)


@cases([case for case in stored_cases() if case.picture.stem == "hopper"])
def test_the_network_as_it_is_trained_gives_the_originals_answer(
    reference_file: Files, case: Case
) -> None:
    network = trained(case.model, reference_file(case.model))
    with torch.inference_mode():
        check(network(model_input(case.image, case.side)), case)


@cases([case for case in stored_cases() if case.picture.stem == "hopper"])
def test_bfloat16_is_close_to_the_original(reference_file: Files, case: Case) -> None:
    if not computes_in("bfloat16", torch.device("cpu")):
        pytest.skip("this CPU has no instructions for bfloat16")
    coarse = load_generator(case.model, weights=reference_file(case.model), device="cpu")
    assert coarse.precision == "bfloat16"
    raw = coarse(model_input(case.image, case.side))
    assert raw.dtype == torch.float32
    assert LIKE < likeness(raw, case.raw) < 70  # beyond, it would not be bfloat16


@pytest.mark.skipif(not more_cases(), reason=NOT_HERE)
@pytest.mark.slow
@cases(more_cases())
def test_every_recorded_case_is_met(generator: Generators, case: Case) -> None:
    check(generator(case.model)(model_input(case.image, case.side)), case)


def test_a_converted_file_gives_the_same_answer(
    reference_file: Files, generator: Generators, tmp_path: Path
) -> None:
    source = reference_file("artistic")
    file = convert(source, tmp_path / "artistic.safetensors").file
    converted = load_generator("artistic", weights=file, device="cpu", precision="float32")
    file.unlink()
    picture = model_input(stored_cases()[0].image, 48)
    wanted = generator("artistic")(picture)  # only where it lies in memory may change a sum
    torch.testing.assert_close(converted(picture), wanted, rtol=0, atol=1e-5)
    assert converted.weights_sha256 != generator("artistic").weights_sha256


@pytest.mark.slow
def test_the_critic_gives_the_originals_answer(reference_file: Files) -> None:
    told = GOLDEN["critic"]
    with Image.open(DATA / told["picture"]) as image:
        samples = torch.from_numpy(np.array(image, np.float32)) / 255
    picture = ((samples - torch.tensor(MEAN)) / torch.tensor(DEVIATION)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        answer = trained("critic", reference_file("critic"))(picture)
    wanted = torch.tensor(told["answer"])[None]
    assert wanted.std() > 1e-3
    torch.testing.assert_close(answer, wanted, rtol=0, atol=1e-6)
