from __future__ import annotations

import builtins
import os
import pickle
import shutil
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from photochrom.colorize.errors import ModelError
from photochrom.colorize.generator.checkpoint import read_checkpoint
from photochrom.colorize.generator.weights import read_weights

FORMS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


class Call:
    """Pickles into a call that a reader which trusts it would make."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def weights() -> OrderedDict[str, Tensor]:
    torch.manual_seed(0)
    return OrderedDict(
        {
            "layers.0.weight": torch.randn(4, 3, 3, 3),
            "layers.0.bias": torch.randn(4),
            "layers.1.num_batches_tracked": torch.tensor(1000),
        }
    )


def saved(value: object, file: Path, zipped: bool = True, protocol: int = 2) -> Path:
    torch.save(value, file, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    return file


def same(found: Any, wanted: dict[str, Tensor]) -> bool:
    return set(found) == set(wanted) and all(
        torch.equal(found[name], wanted[name]) and found[name].dtype == wanted[name].dtype
        for name in wanted
    )


@FORMS
@pytest.mark.parametrize("layout", ["bare", "model", "model and opt"])
def test_every_layout_of_old_and_new_files_is_read(
    tmp_path: Path, layout: str, zipped: bool
) -> None:
    groups = [{"lr": np.float64(1e-3), "mom": np.array([0.9]), "betas": (0.0, 0.9)}]
    whole = {"model": weights(), "opt": {"state": {}, "param_groups": groups}}
    value = {"bare": weights(), "model": {"model": weights()}, "model and opt": whole}[layout]
    found = read_weights(saved(value, tmp_path / "some.pth", zipped))
    assert same(found.tensors, weights())
    assert found.facts == {}


def test_numbers_of_an_old_numpy_are_no_hindrance(tmp_path: Path) -> None:
    value = {"model": weights(), "opt": {"lr": np.float64(1e-3)}}
    file = saved(value, tmp_path / "some.pth", zipped=False)
    content = file.read_bytes()
    assert b"numpy._core.multiarray" in content
    file.write_bytes(content.replace(b"cnumpy._core.multiarray", b"cnumpy.core.multiarray"))
    assert same(read_checkpoint(file).tensors, weights())


@FORMS
def test_number_formats_stay_as_they_are(tmp_path: Path, zipped: bool) -> None:
    kinds = (torch.float16, torch.bfloat16, torch.float64)
    value = {str(kind): torch.randn(3).to(kind) for kind in kinds}
    value["strided"] = torch.randn(4, 5).T
    found = read_checkpoint(saved(value, tmp_path / "some.pth", zipped)).tensors
    assert same(found, value)


@FORMS
def test_parameters_are_read_without_gradient(tmp_path: Path, zipped: bool) -> None:
    value = {"weight": nn.Parameter(torch.ones(3))}
    found = read_checkpoint(saved(value, tmp_path / "some.pth", zipped)).tensors
    assert not found["weight"].requires_grad
    assert torch.equal(found["weight"], torch.ones(3))


def test_the_prefix_of_several_gpus_goes_where_every_name_has_it(tmp_path: Path) -> None:
    every = {f"module.{name}": tensor for name, tensor in weights().items()}
    assert same(read_checkpoint(saved(every, tmp_path / "a.pth")).tensors, weights())
    some = weights() | {"module.extra": torch.ones(1)}
    assert same(read_checkpoint(saved(some, tmp_path / "b.pth")).tensors, dict(some))


@FORMS
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("place", ["model", "opt", "top"])
@pytest.mark.parametrize("function", ["system", "eval", "exec", "copytree"])
def test_nothing_in_a_hostile_file_is_run(
    tmp_path: Path, function: str, place: str, protocol: int, zipped: bool
) -> None:
    trace = tmp_path / "trace"
    call = {
        "system": Call(os.system, f"touch {trace}"),
        "eval": Call(builtins.eval, f"__import__('os').mkdir({str(trace)!r})"),
        "exec": Call(builtins.exec, f"import os; os.mkdir({str(trace)!r})"),
        "copytree": Call(shutil.copytree, str(tmp_path), str(trace)),
    }[function]
    value: Any = {"model": weights(), "opt": {}}
    if place == "top":
        value = call
    else:
        value[place]["evil"] = call
    file = saved(value, tmp_path / "evil.pth", zipped, protocol)
    with pytest.raises(ModelError, match=rf"evil\.pth is refused: it wants \S*{function},") as told:
        read_weights(file)
    assert "\n" not in str(told.value)
    assert not trace.exists()
    torch.load(file, weights_only=False)  # it would have: the file is as hostile as it says
    assert trace.exists()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_bare_pickle_is_refused_by_what_it_wants(tmp_path: Path, protocol: int) -> None:
    trace, file = tmp_path / "trace", tmp_path / "evil.pth"
    file.write_bytes(pickle.dumps(Call(os.system, f"touch {trace}"), protocol))
    with pytest.raises(ModelError, match=r"it wants posix\.system,"):
        read_weights(file)
    assert not trace.exists()


def test_numpys_own_functions_are_never_called(tmp_path: Path) -> None:
    """A crafted structured dtype could make numpy take bytes for pointers."""
    hostile = Call(np._core.multiarray.scalar, np.dtype("i8"), b"short")  # type: ignore[attr-defined]
    file = saved({"model": weights(), "opt": hostile}, tmp_path / "odd.pth", zipped=False)
    assert same(read_checkpoint(file).tensors, weights())
    with pytest.raises(ValueError, match="too small"):
        torch.load(file, weights_only=False)


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    file = saved(nn.Linear(2, 2), tmp_path / "network.pth")
    with pytest.raises(ModelError, match=r"it wants torch\.nn\.modules\.linear\.Linear"):
        read_weights(file)


@FORMS
@pytest.mark.parametrize("part", [0.02, 0.2, 0.6, 0.9, 0.999])
def test_a_file_cut_short_is_a_model_error(tmp_path: Path, part: float, zipped: bool) -> None:
    file = saved({"model": weights()}, tmp_path / "cut.pth", zipped)
    content = file.read_bytes()
    file.write_bytes(content[: max(4, int(len(content) * part))])
    with pytest.raises(ModelError, match=r"cut\.pth") as told:
        read_weights(file)
    assert "\n" not in str(told.value)


@FORMS
def test_any_damage_is_a_model_error_or_harmless(tmp_path: Path, zipped: bool) -> None:
    file = saved({"model": weights(), "opt": {}}, tmp_path / "damaged.pth", zipped)
    content = file.read_bytes()
    dice = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        spoiled = bytearray(content)
        for place in dice.integers(0, len(content), 3):
            spoiled[place] = dice.integers(256)
        file.write_bytes(spoiled)
        try:
            read_weights(file)
        except ModelError:
            refused += 1
    assert refused > 100


def test_a_flipped_bit_in_a_zips_tensor_is_found(tmp_path: Path) -> None:
    file = saved({"model": weights()}, tmp_path / "some.pth")
    content = bytearray(file.read_bytes())
    numbers = weights()["layers.0.weight"].numpy().tobytes()
    content[content.index(numbers) + 5] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelError, match="some/data/0 does not match its checksum"):
        read_weights(file)


def test_a_zip_that_was_compressed_is_refused(tmp_path: Path) -> None:
    file = saved({"model": weights()}, tmp_path / "some.pth")
    packed = tmp_path / "packed.pth"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(ModelError, match="is a compressed zip"):
        read_weights(packed)


def test_what_is_no_checkpoint_says_what_it_is(tmp_path: Path) -> None:
    text, empty, tar = tmp_path / "text.pth", tmp_path / "empty.pth", tmp_path / "tar.pth"
    text.write_text("<html>not found</html>")
    empty.touch()
    with pytest.raises(ModelError, match=r"neither safetensors nor .* begins with b'<html>no'"):
        read_weights(text)
    with pytest.raises(ModelError, match="it is empty"):
        read_weights(empty)
    with pytest.raises(ModelError, match="Is a directory"):
        read_weights(tmp_path)
    with pytest.raises(ModelError, match="No such file"):
        read_weights(tmp_path / "none.pth")
    with tarfile.open(tar, "w") as archive:
        archive.add(text)
    with pytest.raises(ModelError, match="neither safetensors nor"):
        read_weights(tar)
    with zipfile.ZipFile(tmp_path / "other.pth", "w") as archive:
        archive.writestr("text", "no checkpoint")
    with pytest.raises(ModelError, match=r"other\.pth is not a checkpoint that can be read"):
        read_weights(tmp_path / "other.pth")


@FORMS
def test_the_content_decides_not_the_ending(tmp_path: Path, zipped: bool) -> None:
    value = weights()
    torch_file = saved(value, tmp_path / "really_torch.safetensors", zipped)
    assert same(read_weights(torch_file).tensors, value)
    save_file(dict(value), tmp_path / "really.safetensors")
    safe = shutil.move(tmp_path / "really.safetensors", tmp_path / "really_safe.pth")
    assert same(read_weights(safe).tensors, value)


@FORMS
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"epoch": 3}, "'epoch' is a int"),
        ({"model": {"weight": torch.ones(1), "lr": 0.1}}, "'lr' is a float"),
        ({"model": {5: torch.ones(1)}}, "5 is a Tensor"),
        ({"model": {"lr": np.float64(1)}}, "'lr' is a Aside"),
        ({"model": {}}, "holds no weights"),
        ([torch.ones(1)], "holds no weights: it is a list"),
        ({"huge": torch.ones(1).expand(1 << 40)}, "huge is no plain tensor"),
        ({"c": torch.ones(1, dtype=torch.complex64)}, r"c is no plain tensor \(torch\.complex64"),
        ({"s": torch.eye(2).to_sparse()}, "s is no plain tensor"),
        ({"m": torch.ones(2, device="meta")}, "m is no plain tensor"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_more_than_plain_tensors_is_refused(
    tmp_path: Path, value: object, message: str, zipped: bool
) -> None:
    file = saved(value, tmp_path / "some.pth", zipped)
    with pytest.raises(ModelError, match=message):
        read_checkpoint(file)


def test_what_others_allow_stays_as_it_was(tmp_path: Path) -> None:
    before = torch.serialization.get_safe_globals()
    read_checkpoint(saved({"lr": torch.ones(1)}, tmp_path / "some.pth"))
    assert torch.serialization.get_safe_globals() == before
