"""Orphans: plates and prints that no row counts on, and which of them may be removed.

Whatever is written late or twice lies beside what counts and is never named by it. It may go when
nobody can come to name it: the shard of its photo is committed, the photo is colorized, so that no
retry makes the same plate again, and it is older than any attempt lasts, by the storage's clock.
What the ledger's history names stays, counting or not. What was begun to be written and never
ended, as its process was killed, goes by its age alone: it is a day old at least.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from photochrom.jobs.audit.questions import Questions, questions
from photochrom.jobs.errors import NotFound
from photochrom.jobs.identity import print_stem
from photochrom.jobs.reasons import Outcome
from photochrom.jobs.storage.store import Entry, Leftover, Store
from photochrom.jobs.working.originals import key_of

GRACE = timedelta(hours=24)  # longer than any attempt, and any one write
_FOLDERS = ("plates", "prints")
_PROBES = ".probe"
_WRITTEN = (*_FOLDERS, "plan", "ledger", "printed", "compacted", "events", "drivers", _PROBES)
_TOO_YOUNG = "it is too young"
_MOST_BETWEEN = 5.0  # seconds from a look at an object to its removal

_COUNTED = """
SELECT plate_uri AS uri FROM current WHERE plate_uri IS NOT NULL
UNION SELECT tone_table_uri FROM current WHERE tone_table_uri IS NOT NULL
UNION SELECT output_uri FROM printed SEMI JOIN (SELECT * FROM current WHERE ai_colorized)
    USING (row_key, plate_sha256, tone_table_sha256)
"""
_NAMED = _COUNTED.replace("current", "ledger")
_OPEN = """
SELECT row_key, collection, source_uri, ledger.outcome
FROM plans JOIN (SELECT row_id, max(plan) AS plan FROM plans GROUP BY row_id) USING (row_id, plan)
LEFT JOIN (SELECT plan, row_key, outcome FROM ledger) AS ledger USING (plan, row_key)
WHERE ledger.outcome IS DISTINCT FROM 'colorized'
"""
_WHY = {
    None: "its shard is not committed",
    Outcome.FAILED: "its photo failed, and may be tried again",
    Outcome.SKIPPED: "its photo was skipped, and may be taken up again",
}


@dataclass(frozen=True, slots=True)
class Orphan:
    """An object that no current row counts on; `kept` says why it must stay, "" if it may go.

    One with an `unfinished` write is no object yet.
    """

    key: str
    size: int
    modified: datetime
    kept: str
    unfinished: Leftover | None = None


def orphans(store: Store, grace: timedelta = GRACE) -> list[Orphan]:
    """Return plates and prints that no current row counts on: left by late or superseded work.

    Those of shards still at work are among them until the shard commits. After them come writes
    that have not ended.
    """
    standing = [entry for folder in _FOLDERS for entry in store.list(folder)]
    leftovers = [begun for folder in _WRITTEN for begun in store.leftovers(folder)]
    leftovers += [Leftover(e.key, e.size, e.modified) for e in store.list(_PROBES)]
    # After the listing, as what is committed since counts; by the commits alone, as copies may lie.
    with questions(store, copies=False) as tables:
        counted, named = _keys(store, tables, _COUNTED), _keys(store, tables, _NAMED)
        found = [entry for entry in standing if entry.key not in counted]
        if not (found or leftovers):
            return []
        unsettled = _Unsettled(tables)
    now = store.clock()
    youngest, begun_by = now - grace, now - max(grace, GRACE)
    objects = [
        Orphan(entry.key, entry.size, entry.modified, _kept(entry, named, unsettled, youngest))
        for entry in found
    ]
    return objects + [_unfinished(begun, begun_by) for begun in leftovers]


def _keys(store: Store, tables: Questions, sql: str) -> set[str]:
    return {key_of(store, row["uri"]) for row in tables.ask(sql)}


def _kept(entry: Entry, named: set[str], unsettled: _Unsettled, youngest: datetime) -> str:
    if entry.key in named:
        return "an earlier row names it"
    if why := unsettled.why(entry.key):
        return why
    return _TOO_YOUNG if entry.modified > youngest else ""


def _unfinished(begun: Leftover, begun_by: datetime) -> Orphan:
    kept = _TOO_YOUNG if begun.begun > begun_by else ""
    return Orphan(begun.key, begun.size, begun.begun, kept, begun)


class _Unsettled:
    """The photos of which something may yet be stored, as the names of their objects tell."""

    def __init__(self, tables: Questions) -> None:
        self._why: dict[str, str] = {}
        for row in tables.ask(_OPEN):
            names = (row["row_key"][:16], print_stem(row["collection"], row["source_uri"]))
            self._why |= dict.fromkeys(names, _WHY[row["outcome"]])

    def why(self, key: str) -> str:
        """Say why an object may be named yet; "" if its photo is settled."""
        if key.startswith("plates/"):
            return self._why.get(key.rpartition("/")[2].partition(".")[0], "")
        return self._why.get(key.rsplit(".", 3)[0], "")  # without .<16 hex>.ai-colorized.<ext>


def prune(
    store: Store,
    found: Iterable[Orphan],
    grace: timedelta = GRACE,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Orphan]:
    """Remove the orphans that may go, and yield each that is gone.

    Each is looked at again first, and so is the log of plans: if it has grown meanwhile, this ends
    here, as the new plan's work may come to name what nobody did. What remains is left for the next
    time.
    """
    plans = _plans(store)
    youngest = store.clock() - grace
    checked = {orphan for orphan in orphans(store, grace) if not orphan.kept}
    for orphan in found:
        if orphan not in checked:
            continue
        if orphan.unfinished:
            store.discard(orphan.unfinished)
            yield orphan
            continue
        looked = clock()
        try:
            entry = store.stat(orphan.key)
        except NotFound:
            continue
        if _plans(store) != plans:
            return
        if entry.modified <= youngest and clock() - looked <= _MOST_BETWEEN:
            store.delete(orphan.key)
            yield orphan


def _plans(store: Store) -> list[str]:
    return [entry.key for entry in store.list("plan")]
