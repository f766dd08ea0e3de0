"""Arrive on a cluster: see whether its image can run the Photochrom that was sent, then run it.

Travels beside the job as a file of its own, so that it can speak where nothing else could: it
imports nothing of ours, and nothing that an old image lacks.
"""

import importlib.metadata
import platform
import sys
from collections.abc import Iterable

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

NAME = "photochrom"
HELLO = "arrived:"
REFUSED = 2  # as for all that must be mended before anything can be done


def misfits(metadata: importlib.metadata.PackageMetadata, versions: Iterable[str]) -> list[str]:
    """Say what of this image the sent release cannot work with; `versions` are those found here."""
    mine = metadata["Version"]
    found = [
        f"photochrom {other} is installed in the image and {mine} was sent: send that release, or "
        "take an image with this one"
        for other in sorted(set(versions) - {mine})
    ]
    python = platform.python_version()
    if not SpecifierSet(metadata["Requires-Python"] or "").contains(python, prereleases=True):
        found.append(f"Python is {python}, and must be {metadata['Requires-Python']}")
    return found + [
        text
        for line in metadata.get_all("Requires-Dist") or ()
        if (text := _misfit(Requirement(line)))
    ]


def _misfit(wanted: Requirement) -> str:
    """Say how a requirement is not met, or nothing: extras are for their users to miss."""
    if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
        return ""
    try:
        have = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{wanted.name} is missing"
    if wanted.specifier.contains(have, prereleases=True):
        return ""
    return f"{wanted.name} is {have}, and must be {wanted.specifier}"


def main() -> None:
    """Run `photochrom` with this process's arguments, or say what keeps it from running here."""
    found = list(importlib.metadata.distributions(name=NAME))
    metadata = found[0].metadata  # what was sent comes first on the path
    wrong = misfits(metadata, (other.version for other in found))
    if wrong:
        mend = "Build an image for this release: photochrom cluster render --kind dockerfile"
        print(f"photochrom: this image does not fit: {'; '.join(wrong)}. {mend}", file=sys.stderr)
        sys.exit(REFUSED)
    python, ray = platform.python_version(), importlib.metadata.version("ray")
    print(f"{HELLO} photochrom {metadata['Version']}, Python {python}, Ray {ray}", flush=True)
    (program,) = (script for script in found[0].entry_points if script.name == NAME)
    sys.argv[0] = NAME
    program.load()()


if __name__ == "__main__":
    main()
