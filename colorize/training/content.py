"""The content loss: how far a generator's answer is from the photograph's true colours."""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from photochrom.colorize.generator.colour import rgb_to_lab
from photochrom.colorize.training.classes import ColourClasses
from photochrom.colorize.training.features import (
    DEPTHS,
    EncoderName,
    FrozenEncoder,
    feature_error,
)
from photochrom.colorize.training.settings import Settings
from photochrom.colorize.training.trainable import Answer, Batch


class Content(Settings):
    """What a generator's answer is held to, term by term: a weight of 0 leaves a term out."""

    pixels: float = Field(0.0, ge=0, description="L1 of the picture, normalised as ImageNet's")
    features: tuple[float, ...] = Field(
        (), description="L1 of a frozen encoder's features, a weight for each depth"
    )
    encoder: EncoderName = Field("vgg16_bn", description="whose features")
    encoder_weights: str = Field("", description="its torch file; empty: the installed package's")
    chroma: float = Field(0.0, ge=0, description="smooth L1 of CIELAB a and b (pocket)")
    chroma_base: float = Field(0.8, description="what a grey pixel counts")
    chroma_divisor: float = Field(40.0, gt=0, description="how fast strong colours count more")
    chroma_most: float = Field(3.0, description="the most that a pixel counts")
    vivid: float = Field(
        0.0, ge=0, le=1, description="share of the classes' annealed mean in what chroma aims at"
    )
    temperature: float = Field(0.38, gt=0, description="of that mean; lower is more vivid")
    classes: float = Field(0.0, ge=0, description="rebalanced cross entropy of colours (pocket)")
    calm: float = Field(0.0, ge=0, description="colour that varies where the grey does not")
    calm_edge: float = Field(12.0, description="how fast a luma edge lifts the call for calm")

    @model_validator(mode="after")
    def _deep_enough(self) -> Content:
        depths = DEPTHS[self.encoder]
        if len(self.features) not in (0, depths) or min(self.features, default=0.0) < 0:
            raise ValueError(f"features: {self.encoder} has {depths}; give each 0 or more, or none")
        if self.vivid and not self.classes:
            raise ValueError("vivid: it is of the classes' mean, so classes must not be 0")
        return self

    def colours(self) -> bool:
        """Say whether any term holds the picture itself to the truth."""
        return bool(self.pixels or self.chroma or any(self.features))


class ContentLoss(nn.Module):
    """The weighted sum of a recipe's terms; those of weight 0 cost nothing."""

    def __init__(
        self, content: Content, encoder: FrozenEncoder | None, classes: ColourClasses | None
    ) -> None:
        super().__init__()
        self.content = content
        self.encoder = encoder
        self.classes = classes

    def forward(self, answer: Answer, batch: Batch) -> dict[str, Tensor]:
        """Return the terms by name, each with its weight in it."""
        content, terms = self.content, dict[str, Tensor]()
        if content.pixels:
            terms["pixels"] = content.pixels * F.l1_loss(answer.picture, batch.picture)
        if self.encoder is not None and any(content.features):
            terms["features"] = feature_error(
                self.encoder, answer.picture, batch.picture, content.features
            )
        if answer.ab is not None:
            terms |= self._colour_terms(answer, answer.ab, batch)
        return terms

    def _colour_terms(self, answer: Answer, ab: Tensor, batch: Batch) -> dict[str, Tensor]:
        content, terms = self.content, dict[str, Tensor]()
        truth = rgb_to_lab(batch.rgb)[:, 1:]  # (n, 2, s, s)
        if content.chroma:
            wanted = self._wanted(answer, F.avg_pool2d(truth, 2))
            terms["chroma"] = content.chroma * chroma_error(ab, wanted, content)
        if self.classes is not None and answer.logits is not None:
            missed = self.classes(answer.logits, F.avg_pool2d(truth, 4))
            terms["classes"] = content.classes * missed
        if content.calm:
            terms["calm"] = content.calm * unrest(ab, F.avg_pool2d(batch.grey, 2), content)
        return terms

    def _wanted(self, answer: Answer, truth: Tensor) -> Tensor:
        """Return what ab (n, 2, h, w) should be: the truth, or nearer to what classes make of it.

        The mean of the true colours that a grey may have is timid, the annealed mean of their
        classes is not; and it follows from the picture alone, so that it can be learned exactly.
        """
        vivid = self.content.vivid
        if not vivid or self.classes is None or answer.logits is None:
            return truth
        with torch.no_grad():
            named = self.classes.annealed_mean(answer.logits, self.content.temperature)
            named = F.interpolate(named, truth.shape[-2:], mode="bilinear", align_corners=False)
        return torch.lerp(truth, named, vivid)


def chroma_error(ab: Tensor, truth: Tensor, content: Content) -> Tensor:
    """Return the smooth L1 of ab against truth, both (n, 2, h, w), in tens of Lab units."""
    strength = torch.linalg.vector_norm(truth, dim=1, keepdim=True)
    weight: Tensor = content.chroma_base + strength / content.chroma_divisor
    error: Tensor = F.smooth_l1_loss(ab / 10, truth / 10, reduction="none", beta=0.5)
    return (error * weight.clamp(max=content.chroma_most)).mean()


def unrest(ab: Tensor, grey: Tensor, content: Content) -> Tensor:
    """Return how much ab (n, 2, h, w) varies where grey (n, 1, h, w) in 0..1 does not."""
    total = ab.new_zeros(())
    for _ in range(2):  # at this size, where halos show, and at a quarter, where blotches do
        for axis in (2, 3):
            calm = torch.exp(-content.calm_edge * grey.diff(dim=axis).abs())
            total = total + (ab.diff(dim=axis).abs() / 10 * calm).mean()
        ab, grey = F.avg_pool2d(ab, 4), F.avg_pool2d(grey, 4)
    return total
