"""Status: how far a job is, read from its plans and commits alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from photochrom.colorize.errors import ProofError
from photochrom.jobs.audit.questions import Questions, questions
from photochrom.jobs.compaction import Copy
from photochrom.jobs.errors import NotFound
from photochrom.jobs.identity import commit_name
from photochrom.jobs.ledger import printed_shard, read_recipe, skips_name
from photochrom.jobs.messages import Shard
from photochrom.jobs.planning.pace import LOOKED_AT, Pace, measured, newest, shard_commits
from photochrom.jobs.planning.plan import Plan, open_shards, read_plans
from photochrom.jobs.storage.store import Store
from photochrom.jobs.tally import Tally

_LOW_CHROMA = "SELECT count(*) AS n FROM current WHERE low_chroma"
_FILED = """
SELECT print_digest, count(*) AS n, sum(output_bytes)::BIGINT AS bytes
FROM printed GROUP BY ALL ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Status:
    """Counts of a place; `rate` is photographs a second lately, 0 if unknown.

    `low_chroma` of the colorized ones show next to no colour. `reckoned` is what the plans said one
    replica would take, in seconds; `took` is how much of that it took, of what is committed.
    """

    counts: dict[tuple[str, str], int]
    low_chroma: int
    planned: int
    committed: int
    plans: int
    shards_left: int
    left: int
    rate: float
    cpu_seconds_each: float
    prints: tuple[tuple[str, int, int], ...]
    reckoned: float
    took: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, the counts as a list."""
        fields = asdict(self)
        fields["counts"] = [
            {"outcome": outcome, "reason": reason, "rows": n}
            for (outcome, reason), n in self.counts.items()
        ]
        return fields


class _Facts(NamedTuple):
    """What a status is made of; `commits` are those of shards, `latest` the newest of them."""

    counts: Mapping[tuple[str, str], int]
    low_chroma: int
    prints: tuple[tuple[str, int, int], ...]
    plans: Sequence[Plan]
    left: Sequence[Shard]
    commits: list[str]
    latest: list[str]


def status_of(store: Store) -> Status:
    """Read a place's status."""
    with questions(store) as tables:
        facts = _summed(store, tables) or _asked(tables)
    lately = measured(store, facts.latest)
    return Status(
        counts=dict(sorted(facts.counts.items())),
        low_chroma=facts.low_chroma,
        planned=sum(plan.count - plan.again for plan in facts.plans),
        committed=sum(facts.counts.values()),
        plans=len(facts.plans),
        shards_left=len(facts.left),
        left=sum(len(shard.rows) for shard in facts.left),
        rate=lately.rate if lately else 0.0,
        cpu_seconds_each=lately.cpu_seconds if lately else 0.0,
        prints=facts.prints,
        reckoned=sum(plan.reckoned for plan in facts.plans),
        took=_took(measured(store, facts.commits, _paces(facts.plans))),
    )


def _summed(store: Store, tables: Questions) -> _Facts | None:
    """Add up what copies say, if they hold all that is planned: commits are not even listed.

    None where something is open, or rows may not count: taken over by a later plan, taken down.
    """
    ledger = tables.copies("ledger")
    plans = read_plans(store) if ledger else []  # after the copies: it knows all that they hold
    held = {key for copy in ledger for key in copy.holds}
    again = any(plan.again for plan in plans)
    if not ledger or again or not _commits(plans) <= held or any(store.list("events")):
        return None
    recipes = [name for name in store.folders("printed") if not _prints_nothing(store, name)]
    filed = {name: tables.copies(f"printed/{name}") for name in recipes}
    copies = [*ledger, *(copy for some in filed.values() for copy in some)]
    tallies = [copy.tally for copy in copies if copy.tally is not None]
    total = Tally.sum(tallies)
    printing = {cut.key for plan in plans for cut in plan.cuts} - total.bare
    if len(tallies) < len(copies) or not all(printing <= _shards(some) for some in filed.values()):
        return None
    prints = tuple((name, n, total.print_bytes[name]) for name, n in sorted(total.prints.items()))
    commits = shard_commits(sorted(held))
    return _Facts(total.counts, total.low_chroma, prints, plans, [], commits, _latest(ledger))


def _commits(plans: Sequence[Plan]) -> set[str]:
    """Return the keys of all commits that plans lead to."""
    skips = {skips_name(plan.number) for plan in plans if plan.skips}
    return {commit_name(cut.key) for plan in plans for cut in plan.cuts} | skips


def _prints_nothing(store: Store, recipe: str) -> bool:
    """Say whether a recipe is filed by which plates are left as they are."""
    try:
        return read_recipe(store, recipe).format == "none"
    except (NotFound, ProofError):
        return False


def _shards(prints: Iterable[Copy]) -> set[str]:
    """Return the keys of the shards whose prints are copied."""
    return {printed_shard(key) for copy in prints for key in copy.holds}


def _latest(ledger: Sequence[Copy]) -> list[str]:
    """Return the commits of the newest copies."""
    found: list[str] = []
    for copy in sorted(ledger, key=lambda copy: copy.entry.modified, reverse=True):
        if len(found) < LOOKED_AT:
            found += shard_commits(sorted(copy.holds))
    return found


def _asked(tables: Questions) -> _Facts:
    """Ask the tables, for which all commits are listed."""
    with ThreadPoolExecutor(1) as beside:
        printed = beside.submit(tables.entries, "printed")  # in S3 a listing takes its time
        standing, plans = tables.entries("ledger"), tables.plans
        counts = tables.counts()
        low_chroma = tables.ask(_LOW_CHROMA)[0]["n"]
        printed.result()
    prints = tuple((row["print_digest"], row["n"], row["bytes"]) for row in tables.ask(_FILED))
    left = open_shards(plans, {entry.key for entry in standing})
    commits = shard_commits(entry.key for entry in standing)
    latest = newest(standing)
    return _Facts(counts, low_chroma, prints, plans, left, commits, latest)


def _took(found: Pace | None) -> float | None:
    return found.factor if found else None


def _paces(plans: Sequence[Plan]) -> dict[int, float]:
    """Return the pace that each plan was reckoned at."""
    seconds = {plan.number: sum(cut.seconds for cut in plan.cuts) for plan in plans}
    return {plan.number: plan.reckoned / (seconds[plan.number] or 1.0) for plan in plans}
