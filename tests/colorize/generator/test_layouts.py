"""DeOldify's networks as checkpoints know them: names, their order, and how many numbers."""

from __future__ import annotations

import hashlib

import pytest
import torch

from photochrom.colorize.generator.critic import Critic
from photochrom.colorize.generator.known import LAYOUTS, known_models, layout_of
from tests.colorize.generator.reference import blank

COUNTS = {"artistic": (378, 63_646_881), "stable": (754, 218_222_197), "critic": (45, 94_555_649)}
LISTINGS = {  # sha256 of all names and shapes in the original's networks, in order
    "artistic": "31723e688bab46bc0d2303696238bb23c549786405e3ef71f743f9e520645051",
    "stable": "79187427888223d46c0d4d6b36d69a2036ce7ba333d93d04f8a581ea7ece0ce9",
    "critic": "60c68496a503b413bcecce0a00abd004e78aa24041d5920f7b4afdd01821822d",
}


@pytest.mark.parametrize("name", COUNTS)
def test_names_shapes_and_their_order_are_the_originals(name: str) -> None:
    network = blank(name)
    listing = [f"{key} {tuple(tensor.shape)}" for key, tensor in network.state_dict().items()]
    numbers = sum(parameter.numel() for parameter in network.parameters())
    assert (len(listing), numbers) == COUNTS[name]
    assert hashlib.sha256("\n".join(listing).encode()).hexdigest() == LISTINGS[name]


@pytest.mark.parametrize("name", COUNTS)
def test_weights_are_known_by_a_few_shapes(name: str) -> None:
    state = blank(name).state_dict()
    assert layout_of(state) == name
    for sign in LAYOUTS[name]:
        assert layout_of({key: tensor for key, tensor in state.items() if key != sign}) is None


@pytest.mark.parametrize("model", ["artistic", "stable", "video"])
def test_the_listed_size_is_about_the_weights(model: str) -> None:
    known = next(one for one in known_models() if one.name == model)
    state = blank(known.layout).state_dict()
    assert sum(tensor.nbytes for tensor in state.values()) == pytest.approx(known.bytes, rel=2e-3)


@pytest.mark.parametrize(("side", "patches"), [(128, 25), (192, 81)])
def test_the_critic_answers_for_each_patch(side: int, patches: int) -> None:
    critic = Critic(width=8)
    pictures = torch.randn(2, 3, side, side)
    assert critic(pictures).shape == (2, patches)
    assert not torch.equal(critic(pictures), critic(pictures))  # dropout, while it is trained
    critic.eval()
    assert torch.equal(critic(pictures), critic(pictures))
