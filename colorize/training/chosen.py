"""The photographs that Pocket learns from, chosen by eye, as the manifest of a training.

`chosen.csv` beside this module names each candidate with its sampling weight, 0 where it was left
out, and why: a map, a painting, a tint, a licence that asks to share alike.

    python -m photochrom.colorize.training.chosen --photos DIR --out MANIFEST.csv

joins it with the folder of tar shards and its `manifest.csv`, whose split `val` is of other sources
and stays out; `--credits` prints whose photographs they are, as the card's table.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from photochrom.colorize.errors import PhotochromError, SettingsError

CHOSEN = Path(__file__).with_name("chosen.csv")
COLUMNS = ("row_id", "uri", "member", "weight")


@dataclass(frozen=True)
class Candidate:
    """One photograph of the folder's manifest."""

    file: str
    source: str
    licence: str
    group: str
    shard: str


def read_weights(table: Path = CHOSEN) -> dict[str, float]:
    """Return each candidate's sampling weight by its file; 0: left out."""
    with table.open(newline="") as lines:
        return {row["file"]: float(row["weight"]) for row in csv.DictReader(lines)}


def read_candidates(photos: Path) -> list[Candidate]:
    """Return the rows of a folder's manifest; raises SettingsError where there is none."""
    manifest = photos / "manifest.csv"
    if not manifest.is_file():
        raise SettingsError(f"{photos} holds no manifest.csv: name the folder of the tar shards")
    names = Candidate.__dataclass_fields__
    with manifest.open(newline="") as lines:
        return [Candidate(**{n: row[n] for n in names}) for row in csv.DictReader(lines)]


def training_rows(photos: Path, weights: dict[str, float]) -> Iterator[tuple[str | float, ...]]:
    """Yield the lines of a training's manifest."""
    for one in read_candidates(photos):
        weight = weights.get(one.file, 0.0)
        if weight:
            uri = (photos / one.shard).absolute().as_uri()
            yield one.file, uri, one.file, weight


def credit_lines(chosen: list[Candidate]) -> list[str]:
    """Return a Markdown table: one line for each source and licence, the largest first."""
    counts = Counter((one.source, _short(one.licence)) for one in chosen)
    groups = defaultdict(set)
    for one in chosen:
        groups[one.source, _short(one.licence)].add(one.group)
    lines = ["| source | licence | group | photographs |", "|---|---|---|---|"]
    for (source, licence), count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        told = ", ".join(sorted(groups[source, licence]))
        lines.append(f"| {source} | {licence} | {told} | {count} |")
    return [*lines, f"| **all** | | | **{len(chosen)}** |"]


def _short(licence: str) -> str:
    """Return a licence without the manifest's remarks about where it was read."""
    return re.split(r" \(|; ", licence, maxsplit=1)[0].strip()


def main() -> None:
    """Write the manifest, or print the credits."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path, required=True, help="manifest.csv and tar shards")
    parser.add_argument("--out", type=Path, help="the training's manifest to write")
    parser.add_argument("--credits", action="store_true", help="print whose photographs they are")
    given = parser.parse_args()
    weights = read_weights()
    try:
        if given.out:
            rows = list(training_rows(given.photos, weights))
            with given.out.open("w", newline="") as stream:
                csv.writer(stream).writerows([COLUMNS, *rows])
            print(f"{given.out}: {len(rows)} photographs")
        if given.credits:
            candidates = read_candidates(given.photos)
            print("\n".join(credit_lines([c for c in candidates if weights.get(c.file)])))
    except PhotochromError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
