"""Workers that learn together, as processes of their own: all hold the same, also after a death."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from photochrom.colorize.training.team import Team, seed_step
from photochrom.colorize.training.trainer import WEIGHTS

ROOT = Path(__file__).parents[3]


def pair(folder: Path, dies: int = 0) -> list[int]:
    """Run two workers to their end, or until both are dead; return their exit codes."""
    folder.mkdir(exist_ok=True)
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.colorize.training.crew",
                str(rank),
                str(folder),
                str(dies),
            ],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        for rank in (0, 1)
    ]
    try:
        return [worker.wait(120) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def said(folder: Path, what: str) -> list[str]:
    return [(folder / f"{what}-{rank}").read_text() for rank in (0, 1)]


@pytest.mark.slow
def test_all_hold_the_same_also_after_a_death(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert pair(whole) == [0, 0]
    one, other = said(whole, "digest")
    assert one == other
    assert pair(broken, dies=9) != [0, 0]
    assert not (broken / WEIGHTS).exists()
    assert list((broken / "checkpoints").glob("002-*"))
    assert pair(broken) == [0, 0]
    assert said(broken, "digest") == [one, other]
    assert (broken / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()


def test_alone_nothing_is_sent() -> None:
    team, module = Team(), torch.nn.Linear(1, 1)
    assert team.shared(module) is module
    assert team.leads
    assert team.mean(torch.tensor(2.5)) == 2.5
    assert team.told({"a": 1}) == {"a": 1}
    assert Team.here() == Team(0, 1)


def test_chance_follows_from_numbers_alone() -> None:
    drawn = []
    for numbers in ((0, 1, 2), (0, 1, 2), (0, 2, 1), (1, 1, 2)):
        seed_step(*numbers)
        drawn.append(torch.rand(1).item())
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3
