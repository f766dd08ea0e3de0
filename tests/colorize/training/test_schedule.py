"""Rates and betas over a phase: where they begin, peak and end."""

from __future__ import annotations

import math

import pytest

from photochrom.colorize.training.phases import GeneratorPhase
from photochrom.colorize.training.schedule import first_beta, rate_share, rates
from tests.colorize.training import tiny


def phase(**changes: object) -> GeneratorPhase:
    return GeneratorPhase.model_validate({**tiny.PHASE, "warm_up": 0.25, **changes})


def test_one_cycle_begins_low_peaks_and_ends_next_to_nothing() -> None:
    one = phase()
    assert rate_share(one, 0) == pytest.approx(1 / 25)
    assert rate_share(one, 0.125) == pytest.approx((1 + 1 / 25) / 2)
    assert rate_share(one, 0.25) == 1
    assert rate_share(one, 0.625) == pytest.approx(0.5, abs=1e-4)
    assert rate_share(one, 1) == pytest.approx(1 / 25e4)
    shares = [rate_share(one, step / 100) for step in range(101)]
    assert shares.index(max(shares)) == 25
    assert shares[:26] == sorted(shares[:26])
    assert shares[25:] == sorted(shares[25:], reverse=True)


def test_next_to_no_warm_up_is_one_slow_step_and_then_the_peak() -> None:
    one = phase(warm_up=1e-8)
    assert rate_share(one, 0) == pytest.approx(1 / 25)
    assert rate_share(one, 0.001) == pytest.approx(1, abs=1e-5)


def test_the_first_beta_is_least_where_the_rate_is_most() -> None:
    one = phase(betas=(0.95, 0.99), least_beta=0.85)
    assert [first_beta(one, at) for at in (0, 0.25, 1)] == pytest.approx([0.95, 0.85, 0.95])
    assert first_beta(one, 0.625) == pytest.approx(0.9)
    assert first_beta(phase(betas=(0.95, 0.99)), 0.25) == 0.95


def test_a_constant_phase_changes_nothing() -> None:
    one = phase(schedule="constant", betas=(0.0, 0.9), least_beta=0.5)
    assert {rate_share(one, at) for at in (0, 0.3, 1)} == {1.0}
    assert {first_beta(one, at) for at in (0, 0.3, 1)} == {0.0}


def test_rates_spread_evenly_in_the_logarithm() -> None:
    found = rates(phase(rate=3e-4, first_rate=3e-7), 3)
    assert found == pytest.approx([3e-7, math.sqrt(3e-4 * 3e-7), 3e-4])
    assert rates(phase(rate=1e-3), 3) == [1e-3] * 3
    assert rates(phase(rate=1e-3, first_rate=1e-5), 1) == [1e-3]
