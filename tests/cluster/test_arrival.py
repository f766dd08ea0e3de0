"""What is sent to a cluster, and what it says where the image does not fit."""

from __future__ import annotations

import platform
import zipfile
from email.message import Message
from importlib.metadata import PathDistribution, distribution, version
from pathlib import Path
from typing import Any

import pytest

from photochrom.cluster.arrival import misfits
from photochrom.cluster.cargo import WINGS, from_here, from_wheel
from photochrom.cluster.errors import SubmitError

HERE = Path(__file__).parent.parent.parent


def metadata(*lines: tuple[str, str]) -> Any:
    message = Message()
    message["Version"] = "1.2"
    for name, value in lines:
        message[name] = value
    return message


def test_an_image_like_this_one_fits() -> None:
    installed = distribution("photochrom")
    assert misfits(installed.metadata, [installed.version]) == []


def test_each_thing_that_does_not_fit_is_named() -> None:
    asked = metadata(
        ("Requires-Python", ">=4"),
        ("Requires-Dist", "numpy>=99"),
        ("Requires-Dist", "no-such-distribution>=1"),
        ("Requires-Dist", "ray"),
        ("Requires-Dist", 'nothing-either; extra == "film"'),
    )
    assert misfits(asked, ["1.2", "1.1"]) == [
        "photochrom 1.1 is installed in the image and 1.2 was sent: send that release, or take an "
        "image with this one",
        f"Python is {platform.python_version()}, and must be >=4",
        f"numpy is {version('numpy')}, and must be >=99",
        "no-such-distribution is missing",
    ]


def test_what_runs_here_is_sent_whole(tmp_path: Path) -> None:
    load = from_here(tmp_path)
    assert load.version == version("photochrom")
    assert {path.name for path in load.code.iterdir()} == set(WINGS)
    sent = {path.relative_to(load.code) for path in load.code.rglob("*") if path.is_file()}
    ours = {
        path.relative_to(HERE)
        for wing in WINGS
        for path in (HERE / wing).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sent == ours
    assert {script.name for script in PathDistribution(load.info).entry_points} == {"photochrom"}
    asked = load.requirement("ray")
    assert asked is not None
    assert asked.specifier.contains(version("ray"))
    assert load.requirement("no-such-distribution") is None


def test_a_wheel_is_sent_as_it_is(tmp_path: Path) -> None:
    load = from_here(tmp_path / "here")
    wheel = tmp_path / "photochrom.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in (tmp_path / "here").rglob("*"):
            archive.write(path, str(path.relative_to(tmp_path / "here")))
    assert from_wheel(wheel, tmp_path / "there").version == load.version


def test_what_is_no_wheel_of_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SubmitError, match="no such wheel"):
        from_wheel(tmp_path / "none.whl", tmp_path)
    (tmp_path / "text.whl").write_text("no zip")
    with pytest.raises(SubmitError, match="not a wheel that can be read"):
        from_wheel(tmp_path / "text.whl", tmp_path)
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr("numpy/__init__.py", "")
    with pytest.raises(SubmitError, match="not a wheel of Photochrom"):
        from_wheel(tmp_path / "other.whl", tmp_path / "unpacked")
