"""Names made from content."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photochrom.jobs.identity import (
    digest,
    plate_name,
    print_name,
    row_key,
    shard_key,
    tone_table_name,
)

SAFE = re.compile(r"prints/[A-Za-z0-9._/-]+\.[0-9a-f]{16}\.ai-colorized\.tif")
KEY, SHA = "0123456789abcdef" * 2, "fedcba9876543210" * 4
texts = st.text(st.characters(exclude_categories=()), max_size=30)


def test_digests_are_the_same_tomorrow() -> None:
    text = '["é",1,{"a":0,"b":null}]'
    assert digest("é", 1, {"b": None, "a": 0}) == hashlib.sha256(text.encode()).hexdigest()
    assert row_key("a", "file:///a.tif", "1") == "5f15190b698251ce059fd42e95d51265"


@given(st.lists(texts, max_size=4), st.lists(texts, max_size=4))
def test_different_parts_have_different_digests(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)
    assert digest(one) != digest(*one)


@given(texts, texts, texts)
def test_a_row_key_sees_every_part(row_id: str, uri: str, version: str) -> None:
    key = row_key(row_id, uri, version)
    assert re.fullmatch("[0-9a-f]{32}", key)
    assert key != row_key(row_id + "x", uri, version)
    assert key != row_key(row_id, uri + "x", version)
    assert key != row_key(row_id, uri, version + "x")


def test_a_shard_key_sees_plan_place_and_rows_in_order() -> None:
    shards = {shard_key(1, 0, ["a", "b"]), shard_key(2, 0, ["a", "b"]), shard_key(1, 1, ["a", "b"])}
    shards |= {shard_key(1, 0, ["b", "a"]), shard_key(1, 0, ["ab"])}
    assert len(shards) == 5


def test_plates_are_spread_over_folders() -> None:
    assert plate_name(KEY, SHA) == "plates/01/0123456789abcdef.fedcba9876543210.png"
    assert tone_table_name(KEY, SHA) == "plates/01/0123456789abcdef.fedcba9876543210.tone"


@given(texts, texts, texts)
def test_a_print_has_a_name_that_every_storage_takes(
    collection: str, uri: str, version: str
) -> None:
    name = print_name(collection, uri, row_key("a", uri, version), SHA, "tif")
    assert SAFE.fullmatch(name), name
    assert "//" not in name
    assert not {"", ".", ".."} & set(name.split("/"))


@pytest.mark.parametrize(
    ("collection", "uri", "begins"),
    [
        ("Glass plates/1904", "s3://b/box 7/No. 12 (verso).tif", "Glass-plates/1904/No.-12-verso."),
        ("", "file:///Ærø, Færge.tif", "unsorted/r-Frge."),
        ("../..", "file:///a/..tif", "unsorted/"),
        ("Fotos/Müller", "s3://b/写真.jpg", "Fotos/Muller/photo."),
    ],
)
def test_a_print_can_be_recognized(collection: str, uri: str, begins: str) -> None:
    assert print_name(collection, uri, KEY, SHA, "jpg").startswith(f"prints/{begins}")


def test_the_same_name_is_the_same_row_and_bytes() -> None:
    names = {
        print_name("c", uri, key, sha, "tif")
        for uri in ("s3://b/x/one.tif", "s3://b/y/one.tif")
        for key in (KEY, KEY[::-1])
        for sha in (SHA, SHA[::-1])
    }
    assert len(names) == 4
