"""What travels to a cluster: Photochrom as it runs here or as a wheel has it, and its metadata.

It goes as unpacked folders. Ray installs a wheel by pip together with all that it requires, a
second torch and a second Ray among them, and knows it by its file name alone: a wheel built again
under the same version is not sent. Folders go by their content, and need no pip on any machine.
"""

import importlib.metadata
import shutil
import zipfile
from dataclasses import dataclass
from importlib.metadata import PathDistribution
from pathlib import Path

from packaging.requirements import Requirement

from photochrom.cluster.arrival import NAME
from photochrom.cluster.errors import SubmitError

WINGS = ("cluster", "colorize", "jobs", "monitoring")
_METADATA = ("METADATA", "entry_points.txt")


@dataclass(frozen=True)
class Cargo:
    """Folders for the path of every process of a job, and what they say of themselves."""

    code: Path
    info: Path

    @property
    def version(self) -> str:
        """Which release this is."""
        return PathDistribution(self.info).version

    @property
    def folders(self) -> list[str]:
        """What Ray is to send, each with its own name."""
        return [str(self.code), str(self.info)]

    def requirement(self, name: str) -> Requirement | None:
        """Return what it requires of another distribution."""
        lines = PathDistribution(self.info).requires or ()
        wanted = (Requirement(line) for line in lines)
        return next((each for each in wanted if each.name == name and not each.marker), None)


def from_wheel(wheel: Path, folder: Path) -> Cargo:
    """Unpack a wheel of Photochrom below a folder; raises SubmitError if it is none."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    except FileNotFoundError:
        raise SubmitError(f"{wheel}: no such wheel; `make wheel` builds one in dist/") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise SubmitError(f"{wheel}: not a wheel that can be read: {error}") from error
    infos = list(folder.glob(f"{NAME}-*.dist-info"))
    if len(infos) != 1 or not (infos[0] / "METADATA").is_file() or not _whole(folder / NAME):
        raise SubmitError(f"{wheel}: not a wheel of Photochrom; `make wheel` builds one in dist/")
    return Cargo(folder / NAME, infos[0])


def from_here(folder: Path) -> Cargo:
    """Copy the Photochrom that runs here, installed or a checkout, below a folder.

    Raises SubmitError where that is not known to be a whole one.
    """
    root = Path(__file__).parent.parent
    try:
        here = importlib.metadata.distribution(NAME)
    except importlib.metadata.PackageNotFoundError:
        raise SubmitError(
            "this Photochrom is not installed: install it, or name a --wheel"
        ) from None
    texts = {name: here.read_text(name) for name in _METADATA}
    if not _whole(root) or None in texts.values():
        raise SubmitError(f"{root}: the Photochrom there is not whole: name a --wheel")
    for wing in WINGS:
        shutil.copytree(
            root / wing, folder / NAME / wing, ignore=shutil.ignore_patterns("__pycache__")
        )
    info = folder / f"{NAME}-{here.version}.dist-info"
    info.mkdir()
    for name, text in texts.items():
        (info / name).write_text(text or "", "utf-8")
    return Cargo(folder / NAME, info)


def _whole(root: Path) -> bool:
    return all((root / wing / "__init__.py").is_file() for wing in WINGS)
