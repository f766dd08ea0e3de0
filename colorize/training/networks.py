"""All that learns: generator, critic and their average, on one device, in one arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from photochrom.colorize.errors import ModelError, SettingsError
from photochrom.colorize.generator.deoldify import LAYOUTS, DeOldify
from photochrom.colorize.generator.resnet import Encoder
from photochrom.colorize.generator.weights import check_fit, read_weights
from photochrom.colorize.training.average import Average
from photochrom.colorize.training.classes import ColourClasses, colour_classes
from photochrom.colorize.training.content import ContentLoss
from photochrom.colorize.training.critics import make_critic
from photochrom.colorize.training.encoder import find_encoder, load_encoder
from photochrom.colorize.training.features import load_features
from photochrom.colorize.training.recipe import Recipe
from photochrom.colorize.training.trainable import Trainable, TrainableDeOldify, TrainablePocket

Module = TypeVar("Module", bound=nn.Module)


class Networks:
    """The networks of a training and what judges them."""

    def __init__(self, recipe: Recipe, photos: Sequence[Tensor], device: torch.device) -> None:
        """Build them from the recipe; `photos` (h, w, 3) uint8 tell which colours occur.

        Raises SettingsError or ModelError where a file of weights is missing or another's.
        """
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.device = device
        classes = colour_classes(photos) if recipe.content.classes else None
        encoder = None
        if any(recipe.content.features) or recipe.validation.figure == "kernel_distance":
            encoder = load_features(recipe.content.encoder, recipe.content.encoder_weights)
        self.generator = self._placed(_make_generator(recipe, classes))
        self.content = self._placed(ContentLoss(recipe.content, encoder, classes))
        with_critic = bool(recipe.cycles and (recipe.critic_phases or recipe.gan_phases))
        self.critic = self._placed(make_critic(recipe.critic)) if with_critic else nn.Identity()
        self.average = Average(self.generator.network, recipe.average)

    def _placed(self, module: Module) -> Module:
        placed: Module = module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return placed

    def arithmetic(self) -> AbstractContextManager[object]:
        """Return the context in which networks compute."""
        lower = self.recipe.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=lower)

    @contextmanager
    def shown(self) -> Iterator[Trainable]:
        """Lend the generator as it would paint, with its averaged weights; it must not learn then.

        It is the generator itself: spectral norms forbid copies, and large networks have no room.
        """
        network, aside = self.generator.network, dict[str, Tensor]()
        if self.average.decay:
            aside = {name: value.clone() for name, value in network.state_dict().items()}
            network.load_state_dict(self.average.state)
        try:
            yield self.generator.eval()
        finally:
            if aside:
                network.load_state_dict(aside)

    def state(self) -> dict[str, Any]:
        """Return all weights, as a checkpoint keeps them."""
        return {
            "generator": self.generator.state_dict(),
            "critic": self.critic.state_dict(),
            "average": self.average.state,
            "average_steps": self.average.steps,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Take all weights from a checkpoint; raises ModelError for another training's."""
        try:
            self.generator.load_state_dict(state["generator"])
            self.critic.load_state_dict(state["critic"])
        except RuntimeError as error:
            raise ModelError(f"the checkpoint is another training's: {error}") from error
        self.average.take(state["average"])
        self.average.steps = state["average_steps"]

    def take(self, state: dict[str, Tensor]) -> None:
        """Go on from other weights of the generator."""
        self.generator.network.load_state_dict(state)
        self.average.take(state)


def _make_generator(recipe: Recipe, classes: ColourClasses | None) -> Trainable:
    if recipe.family == "pocket":
        generator: Trainable = TrainablePocket(
            len(classes.centres) if classes is not None else 0,
            held_blocks=recipe.held_blocks,
            filters_learn=recipe.filters_learn,
        )
        if not recipe.start:
            encoder = Path(recipe.backbone) if recipe.backbone else find_encoder()
            load_encoder(generator.network.encoder, encoder)  # type: ignore[arg-type]
    else:
        if not recipe.backbone and not recipe.start:
            raise SettingsError(
                f"{recipe.family} does not begin at random: name the torch file of its ResNet's "
                "ImageNet weights as `backbone`, or a generator's as `start`"
            )
        layout = "artistic" if recipe.family == "artistic" else "stable"
        network = DeOldify(LAYOUTS[layout])
        generator = TrainableDeOldify(network)
        if recipe.backbone and not recipe.start:
            _load_backbone(network.layers[0], Path(recipe.backbone))  # type: ignore[arg-type]
    if recipe.start:
        file = Path(recipe.start)
        weights = read_weights(file)
        check_fit(generator.network, weights, file)
        generator.network.load_state_dict(weights.tensors, strict=False)  # stays float32
    return generator


def _load_backbone(encoder: Encoder, file: Path) -> None:
    """Fill a ResNet from torchvision's file: the same tensors, under names instead of numbers."""
    numbers = {"conv1": "0", "bn1": "1", **{f"layer{n}": str(n + 3) for n in range(1, 5)}}
    ours = {}
    for name, tensor in read_weights(file).tensors.items():
        first, _, rest = name.partition(".")
        if first in numbers:
            ours[f"{numbers[first]}.{rest}"] = tensor
    try:
        encoder.load_state_dict(ours, strict=True)
    except RuntimeError as error:
        raise ModelError(f"backbone {file} is not this generator's ResNet: {error}") from error
