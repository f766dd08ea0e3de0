"""Ready questions, which every auditor asks."""

from __future__ import annotations

from photochrom.jobs.audit.questions import questions
from photochrom.jobs.originals import key_of
from photochrom.jobs.store import Store

OVERVIEW = """
SELECT collection, outcome, reason, model, left(weights_sha256, 12) AS weights, count(*) AS rows,
       min(finished_at) AS first, max(finished_at) AS last
FROM current GROUP BY ALL ORDER BY ALL
"""

DUPLICATES = """
SELECT source_sha256, count(*) AS rows, string_agg(row_id, ', ' ORDER BY row_id) AS row_ids
FROM current WHERE source_sha256 IS NOT NULL
GROUP BY source_sha256 HAVING count(*) > 1 ORDER BY 2 DESC, 1
"""

_KNOWN = """
SELECT plate_uri AS uri FROM current WHERE plate_uri IS NOT NULL
UNION SELECT tone_table_uri FROM current WHERE tone_table_uri IS NOT NULL
UNION SELECT output_uri FROM printed SEMI JOIN (SELECT * FROM current WHERE ai_colorized)
    USING (row_key, plate_sha256, tone_table_sha256)
"""


def orphans(store: Store) -> list[str]:
    """Return plates and prints that no current row knows: left by late or superseded work.

    Those of shards still at work are among them until the shard commits.
    """
    with questions(store) as tables:
        known = {key_of(store, row["uri"]) for row in tables.ask(_KNOWN)}
    return [
        entry.key
        for folder in ("plates", "prints")
        for entry in store.list(folder)
        if entry.key not in known
    ]
