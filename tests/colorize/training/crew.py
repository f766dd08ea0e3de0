"""One worker of a pair that trains: `python -m tests.colorize.training.crew RANK FOLDER STEP`.

Both write the digest of all that they hold at the end. At STEP the leading one falls dead, and the
other with it; 0 is nowhere.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from photochrom.colorize.training import trainer as trainings
from photochrom.colorize.training.recipe import Recipe
from photochrom.colorize.training.team import Team
from tests.colorize.training import tiny


def recipe() -> Recipe:
    """Return one whose critic learns on while the generator's statistics differ by worker."""
    gan = {**tiny.GAN, "batch": 1, "check_steps": 1, "epochs": 2, "critic_threshold": 0.6}
    phase = {**tiny.PHASE, "batch": 1, "epochs": 0.5}
    return tiny.recipe(generator_phases=[phase], critic_phases=[phase], gan_phases=[gan])


def digest(trainer: trainings.Trainer) -> str:
    """Return the digest of generator and critic, statistics included."""
    found = hashlib.sha256()
    for part in (trainer.networks.generator, trainer.networks.critic):
        for name, value in part.state_dict().items():
            found.update(name.encode() + value.contiguous().numpy().tobytes())
    return found.hexdigest()


def main(rank: int, folder: Path, dies: int) -> None:
    """Join the other worker and train."""
    trainings.LOOK_STEPS, trainings.REPORT_SECONDS = 2, -1.0
    rendezvous = folder / f"meet-{dies}"
    distributed.init_process_group(
        "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2
    )
    count = iter(range(1, 99))

    def report(_: Mapping[str, Any]) -> None:
        if next(count) == dies:
            os._exit(9)

    team = Team.here()
    trainer = tiny.train(recipe(), tiny.FolderKeep(folder), report=report, team=team)
    (folder / f"digest-{rank}").write_text(digest(trainer))
    (folder / f"steps-{rank}").write_text(str(next(count)))
    distributed.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
