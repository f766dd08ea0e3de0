"""The content loss, term by term: nothing to say to the truth, and a way to it from elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from photochrom.colorize.generator.colour import rgb_to_lab
from photochrom.colorize.training.classes import colour_classes
from photochrom.colorize.training.content import Content, ContentLoss, chroma_error, unrest
from photochrom.colorize.training.features import load_features
from photochrom.colorize.training.trainable import Answer, Batch
from tests.colorize.training import tiny

ALL: dict[str, Any] = {
    "pixels": 1.0,
    "features": (1.0, 1.0, 1.0, 1.0, 1.0),
    "encoder": "lite0",
    "chroma": 1.0,
    "classes": 1.0,
    "calm": 1.0,
}


def loss_of(**terms: Any) -> ContentLoss:
    content = Content.model_validate(terms)
    encoder = load_features("lite0", "") if any(content.features) else None
    classes = colour_classes([tiny.photo(0)]) if content.classes else None
    return ContentLoss(content, encoder, classes)


def true_answer(batch: Batch, logits: int = 0) -> Answer:
    ab = F.avg_pool2d(rgb_to_lab(batch.rgb)[:, 1:], 2)
    quarter = batch.rgb.shape[-1] // 4
    zeros = torch.zeros(len(ab), logits, quarter, quarter) if logits else None
    return Answer(batch.picture, ab, zeros)


def learning(answer: Answer, off: float) -> Answer:
    """Return an answer somewhat off the truth, whose every part can learn."""
    random = torch.Generator().manual_seed(0)
    parts = [
        None if p is None else (p + off * torch.randn(p.shape, generator=random)).requires_grad_()
        for p in answer
    ]
    assert parts[0] is not None
    return Answer(parts[0], *parts[1:])


def test_nothing_is_wrong_with_the_truth() -> None:
    loss, batch = loss_of(**ALL | {"classes": 0.0, "calm": 0.0}), tiny.batch()
    terms = loss(true_answer(batch), batch)
    assert terms.keys() == {"pixels", "features", "chroma"}
    assert all(float(term) == pytest.approx(0, abs=1e-6) for term in terms.values())


def test_each_term_leads_somewhere() -> None:
    loss, batch = loss_of(**ALL), tiny.batch()
    assert loss.classes is not None
    answer = learning(true_answer(batch, len(loss.classes.centres)), 1.0)
    terms = loss(answer, batch)
    assert terms.keys() == {"pixels", "features", "chroma", "classes", "calm"}
    learners = {"pixels": 0, "features": 0, "chroma": 1, "classes": 2, "calm": 1}
    for name, term in terms.items():
        part = answer[learners[name]]
        assert part is not None
        (gradient,) = torch.autograd.grad(term, part, retain_graph=True)
        assert term.item() > 0
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0


@pytest.mark.parametrize("left_out", ["pixels", "features", "chroma", "classes", "calm"])
def test_a_weight_of_0_leaves_a_term_out(left_out: str) -> None:
    none: Any = (0.0,) * 5 if left_out == "features" else 0.0
    loss, batch = loss_of(**ALL | {left_out: none}), tiny.batch()
    logits = 0 if loss.classes is None else len(loss.classes.centres)
    assert loss(true_answer(batch, logits), batch).keys() == ALL.keys() - {"encoder", left_out}
    assert (loss.encoder is None) == (left_out == "features")
    assert (loss.classes is None) == (left_out == "classes")


def test_an_encoder_that_only_measures_adds_no_term() -> None:
    content, batch = Content(chroma=1.0, encoder="lite0", features=(0.0,) * 5), tiny.batch()
    loss = ContentLoss(content, load_features("lite0", ""), None)
    assert loss(true_answer(batch), batch).keys() == {"chroma"}


def test_weights_are_factors() -> None:
    batch = tiny.batch()
    answer = learning(true_answer(batch), 1.0)
    once = loss_of(pixels=1.0, chroma=1.0, calm=1.0)(answer, batch)
    thrice = loss_of(pixels=3.0, chroma=3.0, calm=3.0)(answer, batch)
    for name, term in once.items():
        assert float(thrice[name].detach()) == pytest.approx(3 * float(term.detach()))


def plain(*values: float) -> Tensor:
    return torch.tensor(values).view(1, -1, 1, 1).expand(1, -1, 8, 8)


def test_strong_colours_count_more_up_to_a_bound() -> None:
    content = Content(chroma=1.0)
    errors = [
        float(chroma_error(plain(a + 10.0, 0.0), plain(a, 0.0), content)) for a in (0, 40, 88, 500)
    ]
    base = content.chroma_base
    assert errors[1] / errors[0] == pytest.approx((base + 1) / base)
    assert errors[2] == pytest.approx(errors[3])


def test_colour_may_change_at_an_edge_of_the_grey_alone() -> None:
    halves = torch.cat([torch.zeros(1, 1, 16, 8), torch.ones(1, 1, 16, 8)], 3)
    content, ab = Content(chroma=1.0, calm=1.0), (halves * 30).expand(1, 2, 16, 16)
    assert float(unrest(ab, torch.zeros(1, 1, 16, 16), content)) > 0.1
    assert float(unrest(ab, halves, content)) < 1e-3
    assert float(unrest(torch.full((1, 2, 16, 16), 30.0), halves, content)) == 0


def test_vivid_aims_at_what_the_classes_say() -> None:
    batch = tiny.batch()
    timid, vivid = loss_of(chroma=1.0, classes=1.0), loss_of(chroma=1.0, classes=1.0, vivid=1.0)
    assert vivid.classes is not None
    answer = true_answer(batch, len(vivid.classes.centres))
    assert float(timid(answer, batch)["chroma"]) == pytest.approx(0, abs=1e-6)
    assert float(vivid(answer, batch)["chroma"]) > 0.1
