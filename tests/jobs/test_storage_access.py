"""Access refuses what cannot be, and never repeats what may be a secret."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from photochrom.jobs.storage.access import Access


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "http://user:word@host"},
        {"endpoint": "host:9000"},
        {"access_key_env": "ONE"},
        {"anonymous": True, "profile": "me"},
        {"access_key_env": "A", "secret_key_env": "wJalr/not+a/name"},
        {"secret": "x"},
    ],
)
def test_access_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        Access.model_validate(wrong)
    assert "word@" not in str(caught.value)
    assert "wJalr" not in str(caught.value)
