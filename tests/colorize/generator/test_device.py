from __future__ import annotations

import pytest
import torch

from photochrom.colorize.errors import DeviceLost, ModelError, OutOfMemory
from photochrom.colorize.generator.device import (
    DTYPES,
    choose_device,
    choose_precision,
    computes_in,
    device_errors,
)

Said = dict[str, bool | str | int]
CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def instructions(monkeypatch: pytest.MonkeyPatch) -> Said:
    """Return what this CPU is said to have: at first nothing that helps."""
    said: Said = {"architecture": "x86_64", "l1d_cache_size": 32768, "avx2": True}
    said |= {"avx512_bf16": False, "amx_fp16": False}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: said)
    return said


@pytest.mark.parametrize(
    ("precision", "instruction"),
    [
        ("bfloat16", "avx512_bf16"),
        ("bfloat16", "amx_bf16"),
        ("bfloat16", "bf16"),
        ("float16", "fp16_arith"),
        ("bfloat16", "avx_ne_convert"),
        ("float16", "amx_fp16"),
        ("float16", "avx512_fp16"),
    ],
)
def test_a_cpu_computes_in_what_it_has_instructions_for(
    instructions: Said, precision: str, instruction: str
) -> None:
    assert not computes_in(precision, CPU)
    instructions[instruction] = True
    assert computes_in(precision, CPU)
    (other,) = {"bfloat16", "float16"} - {precision}
    assert not computes_in(other, CPU)


def test_auto_is_the_models_own_precision_or_float32(instructions: Said) -> None:
    assert choose_precision("auto", "bfloat16", CPU) == "float32"
    assert choose_precision("auto", "float32", CPU) == "float32"
    assert choose_precision("auto", "bfloat16", GPU) == "bfloat16"
    instructions["avx512_bf16"] = True
    assert choose_precision("auto", "bfloat16", CPU) == "bfloat16"
    assert choose_precision("auto", "float32", CPU) == "float32"


def test_a_precision_that_must_be_imitated_is_refused(instructions: Said) -> None:
    with pytest.raises(ModelError, match="no instructions for bfloat16: choose float32"):
        choose_precision("bfloat16", "float32", CPU)
    assert choose_precision("float32", "bfloat16", CPU) == "float32"
    assert choose_precision("float16", "float32", GPU) == "float16"
    instructions["avx512_bf16"] = True
    assert choose_precision("bfloat16", "float32", CPU) == "bfloat16"


def test_this_cpu_says_what_it_has() -> None:
    assert computes_in("float32", CPU)
    assert all(computes_in(precision, CPU) in (True, False) for precision in DTYPES)
    assert torch.cpu.get_capabilities()["architecture"]


def test_devices_are_chosen_by_name() -> None:
    assert choose_device("cpu") == CPU
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ModelError, match="this machine has no device 'abacus'") as told:
        choose_device("abacus")
    assert "\n" not in str(told.value)


def test_memory_that_runs_out_is_told_as_such() -> None:
    with pytest.raises(OutOfMemory, match="memory") as caught, device_errors():
        torch.empty(2**55, dtype=torch.uint8)
    assert caught.value.retriable


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("Tried to allocate 20.00 GiB"),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("GET was unable to find an engine to execute this computation"),
        RuntimeError("Unable to find a valid cuDNN algorithm to run convolution"),
        RuntimeError("could not create a memory object"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
    ids=str,
)
def test_every_way_of_running_out_of_memory_is_known(error: Exception) -> None:
    with pytest.raises(OutOfMemory) as told, device_errors():
        raise error
    assert told.value.__cause__ is error
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: device-side assert triggered\nCompile with"),
        torch.AcceleratorError("something new"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling cublasSgemm"),
    ],
    ids=str,
)
def test_a_device_that_is_lost_is_told_as_such(error: Exception) -> None:
    with pytest.raises(DeviceLost) as told, device_errors():
        raise error
    assert told.value.__cause__ is error
    assert told.value.retriable
    assert "\n" not in str(told.value)


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="size"), device_errors():
        torch.zeros(2) + torch.zeros(3)
    with pytest.raises(ZeroDivisionError), device_errors():
        raise ZeroDivisionError
