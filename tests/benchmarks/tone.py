"""How often a scan's tone is told rightly, wrongly or not at all.

    python -m tests.benchmarks.tone PHOTOS

PHOTOS is a folder of photographs that no weights were trained on, or of tar shards beside their
manifest, of which the split `val` is taken. Each is greyed and shown as positives and as film
negatives of many kinds. For each the table gives the verdicts in per cent; below it stand precision
and recall of both tones, kinds counted alike, and what a verdict costs.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np

from photochrom.colorize.picture.toning.evidence import judge
from tests.benchmarks.film import NEGATIVES, POSITIVES, scanned
from tests.benchmarks.originals import originals

VERDICTS = ("positive", "unknown", "negative")


def main() -> None:
    """Judge every photograph in every guise, and print the tables."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("photos", type=Path, help="a folder of photographs, or of tar shards")
    parser.add_argument("--most", type=int, help="so many photographs, evenly spread")
    given = parser.parse_args()
    photos = list(originals(given.photos))
    photos = photos[:: max(1, len(photos) // (given.most or len(photos)))]
    greys = [photo @ np.array([0.299, 0.587, 0.114]) / 255 for photo in photos]
    seconds, found = 0.0, {}
    for kind, show in (POSITIVES | NEGATIVES).items():
        dice = np.random.default_rng(7)
        scans = [scanned(show(grey, dice), dice) for grey in greys]
        start = time.process_time()
        found[kind] = Counter(judge(scan).kind for scan in scans)
        seconds += time.process_time() - start
    print(f"{len(greys)} photographs\n\n| shown as | positive | unknown | negative |")
    print("|---|---|---|---|")
    for kind, counts in found.items():
        shares = " | ".join(f"{100 * counts[name] / len(greys):.1f} %" for name in VERDICTS)
        print(f"| {'negative, ' * (kind in NEGATIVES)}{kind} | {shares} |")
    print("\n| | precision | recall |\n|---|---|---|")
    for name, kinds in (("positive", POSITIVES), ("negative", NEGATIVES)):
        told = {
            k: np.mean([found[kind][name] for kind in k])
            for k in (tuple(POSITIVES), tuple(NEGATIVES))
        }
        right = told[tuple(kinds)]
        print(
            f"| {name} | {right / max(sum(told.values()), 1e-9):.3f} | {right / len(greys):.3f} |"
        )
    print(f"\n{1000 * seconds / len(greys) / len(found):.1f} ms of one core for each verdict")


if __name__ == "__main__":
    main()
