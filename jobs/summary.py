"""What a run ends with: rows by outcome and reason, adding up to the manifest's count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from photochrom.jobs.audit.questions import questions
from photochrom.jobs.reasons import Outcome
from photochrom.jobs.store import Store

PENDING = "pending"


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


def summarize(store: Store, row_ids: Iterable[str], done_now: int = 0) -> Summary:
    """Count what the ledger says of these rows."""
    with questions(store) as tables:
        rows = tables.ask("SELECT row_id, outcome, reason FROM current")
    outcome_of = {row["row_id"]: (row["outcome"], row["reason"]) for row in rows}
    counts = Counter(outcome_of.get(row_id, (PENDING, "")) for row_id in row_ids)
    return Summary(dict(sorted(counts.items())), done_now)
