"""The ledger: commits, created once each, last of all that a shard writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import ValidationError

from photochrom.colorize.errors import ProofError
from photochrom.colorize.picture import PrintRecipe
from photochrom.jobs.identity import commit_name, digest
from photochrom.jobs.pinned import Pinned, code_version
from photochrom.jobs.planning.plan import Plan
from photochrom.jobs.reasons import Outcome
from photochrom.jobs.records import LedgerRow, PrintedRow, to_parquet
from photochrom.jobs.settings import print_digest
from photochrom.jobs.storage.store import Store


def skips_name(plan: int) -> str:
    """Return the key of the commit of what a plan skipped."""
    return f"ledger/plan-{plan:06d}.parquet"


def committed(store: Store) -> set[str]:
    """Return the keys of all commits that stand."""
    return {entry.key for entry in store.list("ledger/")}


def commit(store: Store, shard_key: str, rows: Sequence[LedgerRow]) -> bool:
    """Commit a shard; False if another's commit stands, which then is the truth."""
    return store.put_if_absent(commit_name(shard_key), to_parquet(LedgerRow, rows))


def file_prints(store: Store, shard_key: str, rows: Sequence[PrintedRow]) -> None:
    """File a shard's prints, before its commit.

    The name comes from the content: two workers with the same prints file them once, two with
    different ones do not hide each other, and a print counts if the ledger knows its plate and
    tone.
    """
    by_recipe: dict[str, list[PrintedRow]] = {}
    for row in rows:
        by_recipe.setdefault(row.print_digest, []).append(row)
    for name, prints in by_recipe.items():
        made = [[row.row_key, row.plate_sha256, row.tone_table_sha256] for row in prints]
        content = digest(made, [row.output_sha256 for row in prints])
        key = f"printed/{name}/shard-{shard_key}.{content[:16]}.parquet"
        store.put_if_absent(key, to_parquet(PrintedRow, prints))


def printed_shard(key: str) -> str:
    """Return the shard whose prints a file holds, by the file's key."""
    return key.rpartition("/")[2].removeprefix("shard-").partition(".")[0]


def file_recipe(store: Store, recipe: PrintRecipe) -> None:
    """Write a print recipe beside its prints, so that they can be proven and made again."""
    key = recipe_name(print_digest(recipe))
    if not store.exists(key):
        store.put_if_absent(key, recipe.model_dump_json().encode())


def read_recipe(store: Store, digest: str) -> PrintRecipe:
    """Read the recipe that prints are filed under; raises NotFound, ProofError."""
    try:
        return PrintRecipe.model_validate_json(store.read(recipe_name(digest)))
    except ValidationError:
        raise ProofError(f"{store.uri(recipe_name(digest))} is damaged") from None


def recipe_name(digest: str) -> str:
    """Return the key of a print recipe."""
    return f"printed/{digest}/recipe.json"


def commit_skips(store: Store, plan: Plan, pinned: Pinned, operator: str) -> list[LedgerRow]:
    """Commit the rows that a plan skipped, and return them if it was our commit that stands."""
    now = datetime.now(UTC)
    recipe, software = pinned.paint.model_dump_json(), code_version()
    rows = [
        LedgerRow(
            row_id=row.row_id,
            row_key=row.row_key,
            plan=plan.number,
            shard_key="",
            attempt=0,
            outcome=Outcome.SKIPPED,
            reason=row.skip,
            ai_colorized=False,
            source_uri=row.source_uri,
            source_version=row.source_version,
            source_bytes=row.source_bytes,
            model=pinned.paint.model,
            weights_sha256=pinned.paint.weights_sha256,
            recipe_digest=pinned.recipe_digest,
            recipe_json=recipe,
            precision=pinned.paint.precision,
            code_version=software,
            operator=operator,
            worker="",
            device="",
            started_at=now,
            finished_at=now,
            collection=row.collection,
            rights=row.rights,
            restriction=row.restriction,
        )
        for row in plan.skipped
    ]
    ours = store.put_if_absent(skips_name(plan.number), to_parquet(LedgerRow, rows))
    return rows if ours else []
