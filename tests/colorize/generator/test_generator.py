from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from photochrom.colorize.errors import ModelError, WrongWeights
from photochrom.colorize.generator import known as known_module
from photochrom.colorize.generator import known_models, load_generator, weights_digest

WITHOUT_TORCH = """
import sys
from pathlib import Path
import photochrom.colorize.generator as wing
wing.known_models(); wing.weights_digest("pocket"); wing.Generator
wing.load_generator("echo")
print("torch" in sys.modules)
"""


def test_nothing_but_loading_a_network_imports_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_known_models_are_listed() -> None:
    models = {model.name: model for model in known_models()}
    assert set(models) == {"pocket", "artistic", "stable", "video", "echo"}
    assert models["pocket"].licence == "Apache-2.0"
    pinned = {name for name, model in models.items() if len(model.sha256 or "") == 64}
    assert pinned == {"pocket", "echo"}
    assert {name for name, model in models.items() if "jantic" in model.publisher} == {
        *("artistic", "stable", "video")
    }
    assert [models[name].render_size for name in ("artistic", "stable", "video")] == [560, 560, 336]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        ModelError, match=r"no model is called 'sepia'; known are pocket, artistic, .*echo"
    ):
        load_generator("sepia")
    with pytest.raises(ModelError, match="known are"):
        weights_digest("sepia")


@pytest.mark.parametrize("name", ["artistic", "stable", "video"])
def test_weights_that_do_not_ship_are_asked_for(name: str) -> None:
    asked = rf"weights of {name} do not ship .*github\.com/jantic.*--set paint\.weights=FILE"
    with pytest.raises(ModelError, match=asked) as told:
        load_generator(name)
    assert "\n" not in str(told.value)
    with pytest.raises(ModelError, match=asked):
        weights_digest(name)


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    import photochrom.colorize.generator as wing

    with pytest.raises(AttributeError, match="sepia"):
        wing.sepia  # noqa: B018


@pytest.mark.parametrize("name", ["pocket", "echo"])
def test_a_digest_that_differs_is_wrong_weights(name: str) -> None:
    with pytest.raises(WrongWeights, match=f"{weights_digest(name)}, not {'0' * 64}"):
        load_generator(name, sha256="0" * 64)


def test_embedded_weights_that_are_not_the_pinned_ones_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(known_module, "POCKET_SHA256", "1" * 64)
    with pytest.raises(WrongWeights, match="1" * 64):
        load_generator("pocket")


def test_precision_device_and_needless_weights_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="precision 'int4' is none of auto, float32, bfloat16"):
        load_generator("pocket", precision="int4")
    with pytest.raises(ModelError, match="no device 'abacus'"):
        load_generator("pocket", device="abacus")
    with pytest.raises(ModelError, match="echo has no weights"):
        load_generator("echo", weights=tmp_path / "some.safetensors")


def test_echo_is_deterministic_and_colourful() -> None:
    squares = np.random.default_rng(0).integers(0, 256, (3, 48, 48), np.uint8)
    echo = load_generator("echo", sha256=weights_digest("echo"))
    plates = echo.chroma(squares)
    assert plates.shape == (3, 48, 48, 2)
    assert plates.dtype == np.uint8
    np.testing.assert_array_equal(plates, load_generator("echo").chroma(squares))
    assert np.abs(plates.astype(int) - 128).max() > 40


def test_echo_keeps_black_and_white_neutral_and_drifts_smoothly() -> None:
    echo = load_generator("echo")
    ends = np.stack([np.zeros((32, 32), np.uint8), np.full((32, 32), 255, np.uint8)])
    assert (echo.chroma(ends) == 128).all()
    middle = echo.chroma(np.full((1, 64, 64), 128, np.uint8))[0].astype(int)
    assert max(np.abs(np.diff(middle, axis=axis)).max() for axis in (0, 1)) <= 2
    assert np.ptp(middle) > 30


def test_echo_has_no_network_to_call() -> None:
    with pytest.raises(ModelError, match="echo has no network"):
        load_generator("echo")(np.zeros((1, 1, 16, 16)))
