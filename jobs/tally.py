"""Tallies: what ledger rows, or filed prints, add up to. Copies of commits say theirs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of all rows, whether a later plan has taken them over or not.

    `counts` are by outcome and reason, `prints` and their bytes by recipe; `bare` shards have no
    colorized row, and so no prints.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    low_chroma: int = 0
    bare: frozenset[str] = frozenset()
    prints: Counter[str] = field(default_factory=Counter)
    print_bytes: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, rows: pa.Table) -> Tally:
        """Count rows of the ledger, or of prints."""
        return _of_prints(rows) if "print_digest" in rows.schema.names else _of_ledger(rows)

    @classmethod
    def sum(cls, tallies: Iterable[Tally]) -> Tally:
        """Add tallies up."""
        counts, prints, print_bytes = Counter[tuple[str, str]](), Counter[str](), Counter[str]()
        low_chroma, bare = 0, set[str]()
        for tally in tallies:
            counts += tally.counts
            prints += tally.prints
            print_bytes += tally.print_bytes
            low_chroma += tally.low_chroma
            bare |= tally.bare
        return cls(counts, low_chroma, frozenset(bare), prints, print_bytes)

    def to_json(self) -> str:
        """Return the text that `from_json` reads."""
        return json.dumps(
            {
                "counts": [[*key, n] for key, n in sorted(self.counts.items())],
                "low_chroma": self.low_chroma,
                "bare": sorted(self.bare),
                "prints": [[key, n, self.print_bytes[key]] for key, n in self.prints.items()],
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Tally:
        """Read a tally."""
        said: dict[str, Any] = json.loads(text)
        return cls(
            Counter({(outcome, reason): n for outcome, reason, n in said["counts"]}),
            said["low_chroma"],
            frozenset(said["bare"]),
            Counter({key: n for key, n, _ in said["prints"]}),
            Counter({key: size for key, _, size in said["prints"]}),
        )


def _of_ledger(rows: pa.Table) -> Tally:
    groups = rows.group_by(["outcome", "reason"]).aggregate([([], "count_all")]).to_pylist()
    coloured = pc.unique(rows.filter(rows["ai_colorized"])["shard_key"]).to_pylist()
    low_chroma = pc.sum(rows["low_chroma"]).as_py() if "low_chroma" in rows.schema.names else 0
    return Tally(
        Counter({(row["outcome"], row["reason"]): row["count_all"] for row in groups}),
        low_chroma or 0,
        frozenset(pc.unique(rows["shard_key"]).to_pylist()) - frozenset(coloured),
    )


def _of_prints(rows: pa.Table) -> Tally:
    wanted: list[Any] = [([], "count_all"), ("output_bytes", "sum")]
    groups = rows.group_by("print_digest").aggregate(wanted).to_pylist()
    return Tally(
        prints=Counter({row["print_digest"]: row["count_all"] for row in groups}),
        print_bytes=Counter({row["print_digest"]: row["output_bytes_sum"] for row in groups}),
    )
