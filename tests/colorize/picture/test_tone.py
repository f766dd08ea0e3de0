"""Tone tables: identity for positives, a falling curve for negatives, the same bytes for ever."""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photochrom.colorize.picture import ToneTable
from photochrom.colorize.picture.luma import top_of, type_of
from photochrom.colorize.picture.toning import tone as tones
from photochrom.colorize.picture.toning.film import Film, measure
from photochrom.colorize.picture.toning.tone import ToneSetting
from tests.colorize.picture.lightbox import Samples, grain, scene


def density_inversion(plane: Samples, film: Film | None = None) -> Samples:
    """Measure a scan and compute its table."""
    return tones.density_inversion(measure(plane, film or Film()))


BITS = pytest.mark.parametrize("bits", [8, 16])


def film(bits: int) -> Samples:
    """Make a scan of a film negative: a clear rebate around a picture of less light."""
    picture = (scene(40, 60, bits) // 2).astype(type_of(bits))
    return np.pad(picture, 4, constant_values=int(top_of(bits) * 0.8))


@BITS
def test_a_positive_keeps_its_luma(bits: int) -> None:
    plane = grain(9, 8, bits=bits)
    table = ToneTable.decide("positive", plane)
    assert (table.kind, table.evidence, table.bits) == ("positive", "setting", bits)
    assert table.entries is None
    assert np.array_equal(table.apply(plane), plane)


def test_a_flat_scan_is_left_as_it_is() -> None:
    plane = np.full((70, 90), 90, np.uint8)
    table = ToneTable.decide("auto", plane)
    assert (table.kind, table.entries) == ("positive", None)
    assert table.evidence == "score 0.500 for positive"


@pytest.mark.parametrize("setting", ["auto", "positive", "negative"])
def test_evidence_is_kept(setting: ToneSetting) -> None:
    table = ToneTable.decide(setting, grain(4, 4), "collection")
    assert "collection" in table.evidence.split("; ")


@BITS
def test_the_identity_is_hashed_as_a_table(bits: int) -> None:
    code = "B" if bits == 8 else "H"
    stored = struct.pack(f"<{1 << bits}{code}", *range(1 << bits))
    table = ToneTable.decide("positive", grain(3, 3, bits=bits))
    assert table.to_bytes() == stored
    assert table.sha256 == hashlib.sha256(stored).hexdigest()


@BITS
def test_a_negative_is_turned_over(bits: int) -> None:
    plane = film(bits)
    table = ToneTable.decide("negative", plane)
    assert table.kind == "negative"
    assert table.entries is not None
    assert table.entries.dtype == plane.dtype
    assert len(table.entries) == 1 << bits
    toned = table.apply(plane).astype(np.float64)
    assert toned[0, 0] == 0, "clear film prints black"
    assert toned.max() == top_of(bits), "the densest film prints white"
    inner = np.s_[4:-4, 4:-4]
    assert np.corrcoef(plane[inner].ravel(), toned[inner].ravel())[0, 1] < -0.9


@given(st.integers(0, 2**32 - 1), st.sampled_from([8, 16]), st.integers(1, 40), st.integers(1, 40))
@settings(deadline=None, max_examples=30)
def test_an_inversion_never_rises(seed: int, bits: int, height: int, width: int) -> None:
    entries = density_inversion(grain(height, width, bits=bits, seed=seed))
    assert len(entries) == 1 << bits
    assert (np.diff(entries.astype(np.int64)) <= 0).all()


@BITS
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_flat_negative_is_black(bits: int, share: float) -> None:
    plane = np.full((5, 6), int(share * top_of(bits)), type_of(bits))
    assert not ToneTable.decide("negative", plane).apply(plane).any()


@BITS
def test_a_table_survives_storage(bits: int) -> None:
    made = ToneTable.decide("negative", film(bits))
    read = ToneTable.from_bytes(made.to_bytes())
    assert len(made.to_bytes()) == (1 << bits) * bits // 8
    assert read.bits == bits
    assert read.sha256 == made.sha256
    assert np.array_equal(read.apply(film(bits)), made.apply(film(bits)))


def test_stored_tables_are_little_endian() -> None:
    data = ToneTable.decide("negative", film(16)).to_bytes()
    table = ToneTable.from_bytes(data)
    assert table.entries is not None
    assert int(table.entries[1000]) == data[2000] + 256 * data[2001]


@BITS
def test_the_table_does_not_depend_on_how_a_scan_lies(bits: int) -> None:
    plane = scene(40, 60, bits)
    assert np.array_equal(density_inversion(plane), density_inversion(plane[::-1, ::-1]))
    assert np.array_equal(density_inversion(plane), density_inversion(plane.T))


def test_a_speck_of_dust_does_not_move_the_table() -> None:
    plane = np.repeat(np.array([[9000], [30000], [50000]], np.uint16), 300, axis=1)
    dusty = plane.copy()
    dusty[1, 20], dusty[1, 30] = 0, 65535
    assert np.array_equal(density_inversion(plane), density_inversion(dusty))


def test_the_density_curve_is_the_stated_one() -> None:
    """Film of gamma 0.6, display of gamma 2.2, base 200 and densest 20, checked in floats."""
    plane = np.repeat(np.array([[20], [60], [200]], np.uint8), 100, axis=1)
    entries = density_inversion(plane).astype(float)
    light = (np.array([20.0, 60.0, 200.0]) / 200) ** (-1 / 0.6)
    shown = light - light.min()
    wanted = 255 * shown / shown.max()
    assert entries[[20, 60, 200]] == pytest.approx(wanted, abs=0.51)


def test_the_base_is_measured_in_the_rebate() -> None:
    """A scratch brighter than film, and a black mask around it, are neither base nor densest."""
    plane = np.pad(scene(200, 300, 16) // 2, 20, constant_values=50000)
    plane = np.pad(plane, 10, constant_values=100)
    plane[60:200, 100:110] = 52000
    found = measure(plane, Film())
    assert found.base == 50000
    assert 3000 < found.densest < 20000
    assert found.told.startswith("rebate on 4 sides")
    assert f"base {50000 / 65535:.5f}" in found.told


def test_a_roll_has_one_table() -> None:
    roll = Film(base=0.8, densest=0.05)
    one, other = (ToneTable.decide("negative", film(16) // part, film=roll) for part in (1, 2))
    assert one.sha256 == other.sha256
    assert one.entries is not None
    assert one.entries[round(0.8 * 65535)] == 0
    assert one.entries[round(0.05 * 65535)] == 65535
    assert "roll: base 0.80000, densest 0.05000" in one.evidence
    assert ToneTable.decide("negative", film(16)).sha256 != one.sha256


def test_what_a_row_says_can_be_set_for_the_roll() -> None:
    plane = film(16)
    found = measure(plane, Film())
    told = Film(float(f"{found.base / 65535:.5f}"), float(f"{found.densest / 65535:.5f}"))
    assert np.array_equal(density_inversion(plane, told), density_inversion(plane))
