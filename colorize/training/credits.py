"""Whose photographs a network learned from, as the table that its card must carry.

`python -m photochrom.colorize.training.credits --photos DIR` prints it.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter, defaultdict
from pathlib import Path

from photochrom.colorize.training.data import Row, Selection, read_manifest


def credit_lines(rows: list[Row]) -> list[str]:
    """Return a Markdown table: one line for each source and licence, the largest first."""
    counts = Counter((row.source, _short(row.licence)) for row in rows)
    groups = defaultdict(set)
    for row in rows:
        groups[row.source, _short(row.licence)].add(row.group)
    lines = ["| source | licence | group | photographs |", "|---|---|---|---|"]
    for (source, licence), count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        told = ", ".join(sorted(groups[source, licence]))
        lines.append(f"| {source} | {licence} | {told} | {count} |")
    return [*lines, f"| **all** | | | **{len(rows)}** |"]


def _short(licence: str) -> str:
    """Return a licence without the manifest's remarks about where it was read."""
    return re.split(r" \(|; ", licence, maxsplit=1)[0].strip()


def main() -> None:
    """Print the table of the photographs that a training chooses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="manifest.csv and tar shards")
    given = parser.parse_args()
    chosen = Selection().choose(read_manifest(given.photos, "train"))
    print("\n".join(credit_lines([row for row, _ in chosen])))


if __name__ == "__main__":
    main()
