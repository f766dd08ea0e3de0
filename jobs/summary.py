"""What a run ends with: rows by outcome and reason, adding up to the manifest's count."""

from __future__ import annotations

from dataclasses import dataclass

from photochrom.jobs.audit.questions import questions
from photochrom.jobs.planning.rows import Rows
from photochrom.jobs.reasons import Outcome
from photochrom.jobs.storage.store import Store

PENDING = "pending"
_COUNTS = """
SELECT coalesce(outcome, $2) AS outcome, coalesce(reason, '') AS reason, count(*) AS n
FROM read_parquet($1) AS wanted LEFT JOIN current ON current.row_id = wanted.row_id
GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """How many of the manifest's rows have each outcome and reason; `pending` have none yet."""

    counts: dict[tuple[str, str], int]
    done_now: int = 0

    @property
    def total(self) -> int:
        """The manifest's count."""
        return sum(self.counts.values())

    @property
    def failed(self) -> int:
        """How many rows failed."""
        return sum(n for (outcome, _), n in self.counts.items() if outcome == Outcome.FAILED)


def summarize(store: Store, rows: Rows, done_now: int = 0) -> Summary:
    """Count what the ledger says of these rows."""
    with questions(store) as tables:
        found = tables.ask(_COUNTS, rows.path, PENDING)
    return Summary({(row["outcome"], row["reason"]): row["n"] for row in found}, done_now)
