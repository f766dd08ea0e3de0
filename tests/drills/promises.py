"""The promises, checked after every drill: whatever happened, they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import timedelta

from photochrom.jobs.audit.orphans import orphans, prune
from photochrom.jobs.audit.questions import questions
from photochrom.jobs.audit.verify import Verifier
from photochrom.jobs.pinned import read_pinned
from photochrom.jobs.planning.manifest import read_manifest
from photochrom.jobs.settings import Job
from photochrom.jobs.storage.store import Store

AT_ONCE = timedelta(0)


def assert_the_promises_hold(job: Job, failed: Mapping[str, str] | None = None) -> None:
    """Hold a finished place against its manifest, down to the samples, before and after a prune.

    `failed` are the inputs that must have failed, and their reasons; all others are colorized.
    """
    store = Store(job.output, job.storage.output)
    wanted = [row.row_id for row in read_manifest(job).rows]
    assert_one_truthful_row_each(store, wanted, failed or {})
    listed = {orphan.key for orphan in orphans(store, AT_ONCE) if not orphan.unfinished}
    assert listed == standing(store) - counting(store), "orphans are what nothing counts on"
    gone = list(prune(store, orphans(store, AT_ONCE), AT_ONCE))
    assert [orphan.key for orphan in orphans(store, AT_ONCE) if not orphan.kept] == []
    if gone:
        assert_one_truthful_row_each(store, wanted, failed or {})


def assert_one_truthful_row_each(
    store: Store, wanted: Collection[str], failed: Mapping[str, str]
) -> None:
    """Assert that `current` is the manifest, row by row, and that every print is proven."""
    with questions(store) as tables:
        rows = tables.ask("SELECT row_id, outcome, reason, error FROM current ORDER BY row_id")
    assert Counter(row["row_id"] for row in rows) == Counter(wanted)
    bad = {row["row_id"]: row["reason"] for row in rows if row["outcome"] != "colorized"}
    assert bad == dict(failed), [row for row in rows if row["reason"]]
    report = Verifier(store, read_pinned(store)).place()
    assert report.findings == ()
    assert report.prints == len(wanted) - len(failed)


def standing(store: Store) -> set[str]:
    """Return every plate and print that stands."""
    return {entry.key for folder in ("plates", "prints") for entry in store.list(folder)}


def counting(store: Store) -> set[str]:
    """Return every plate and print that a current row counts on, by their names."""
    with questions(store) as tables:
        plates = tables.ask("SELECT plate_uri AS uri FROM current WHERE plate_uri IS NOT NULL")
        tables_ = tables.ask("SELECT tone_table_uri AS uri FROM current WHERE ai_colorized")
        prints = tables.ask(
            "SELECT output_uri AS uri FROM printed SEMI JOIN current USING (row_key, plate_sha256)"
        )
    found = [row["uri"] for row in (*plates, *tables_, *prints) if row["uri"]]
    return {uri.removeprefix(f"{store.root}/") for uri in found}
