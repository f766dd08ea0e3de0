"""Ready questions, which every auditor asks."""

from __future__ import annotations

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
