"""What an output place says of itself, for readers who have nothing but the place."""

from __future__ import annotations

from importlib.resources import files

from photochrom.colorize.generator import known_models
from photochrom.jobs.pinned import PaintRecipe, Pinned
from photochrom.jobs.records import EventRow, LedgerRow, PlanRow, PrintedRow, schema_of
from photochrom.jobs.storage.store import Store

_README = """# Colour prints of {manifest}

Made by {software} for {operator}, {created_at}. The originals are where they were and unchanged.

**The colours in `prints/` were added by AI; they are not a record of the real colours.** Every
print says so in its file (XMP `Iptc4xmpExt:DigitalSourceType`) and in its name.

| here | is |
|---|---|
| `job.json` | the job as it was run: settings, model, digests |
| `plan/` | which inputs were taken up when, and which were skipped and why |
| `ledger/` | one row per input: what became of it, from what, by what (Parquet) |
| `compacted/` | copies of many commits in one file; the commits count |
| `plates/` | the colour of each photo, small, and the tone table of each negative |
| `prints/`, `printed/` | the colour prints, and a row for each |
| `events/` | what people decided later: reviews, takedowns |
| `restrictions/` | the tables of what must not be processed that this job obeys, if any |
| `drivers/` | notes of drivers that are at work now; nothing depends on them |
| `spec/` | the columns, the rules, and a script that proves a print |

Model `{model}`, weights sha256 `{weights}`, render size {size}: each row's `render_size` says what
was used. Rows with `low_chroma` have a print, but next to no colour in it: look at those first.

## Read it

Any Parquet reader will do. Of the rows with the same `row_id`, the one with the highest `plan`
counts. In DuckDB, which pictures were coloured by AI:

    SELECT row_id, source_uri, source_sha256 FROM 'ledger/*.parquet' WHERE ai_colorized;

## Prove it

    pip install numpy tifffile Pillow
    python spec/verify.py ORIGINAL plates/<..>/<row>.<plate>.png prints/<..>/<print>.tif

A negative's tone table is the fourth argument: `plates/<..>/<row>.<table>.tone`. The rules are one
page: `spec/rules.md`. With Photochrom installed, `photochrom verify {place}` proves everything.
"""


def write_documents(store: Store, pinned: Pinned) -> None:
    """Write README.md and spec/ unless they stand."""
    texts = {
        "README.md": _readme(store, pinned),
        "spec/schema.md": schema_document(),
        "spec/rules.md": _packaged("photochrom.jobs.spec", "rules.md"),
        "spec/verify.py": _packaged("photochrom.jobs.spec", "verify.py"),
    }
    if card := _card(pinned.paint):
        texts["spec/model-card.md"] = card
    standing = {entry.key for entry in store.list("spec")}
    for key, text in texts.items():
        if key not in standing:
            store.put_if_absent(key, text.encode())


def schema_document() -> str:
    """Return the columns of all tables as one Markdown page."""
    parts = ["# Columns\n"]
    tables = {"plan": PlanRow, "ledger": LedgerRow, "printed": PrintedRow, "events": EventRow}
    for name, row in tables.items():
        lines = [f"| `{field.name}` | {field.type} |" for field in schema_of(row)]
        parts.append(f"## {name}/\n\n| column | type |\n|---|---|\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _readme(store: Store, pinned: Pinned) -> str:
    return _README.format(
        manifest=pinned.job.manifest,
        software=pinned.software,
        operator=pinned.operator,
        created_at=pinned.created_at,
        model=pinned.paint.model,
        weights=pinned.paint.weights_sha256,
        size=pinned.paint.render_size,
        place=store.root,
    )


def _packaged(package: str, name: str) -> str:
    return (files(package) / name).read_text("utf-8")


def _card(paint: PaintRecipe) -> str:
    """Return the card of an embedded model; other weights under its name are another model."""
    card = files("photochrom.colorize.models") / f"{paint.model}.md"
    embedded = {model.sha256 for model in known_models()}
    return card.read_text("utf-8") if paint.weights_sha256 in embedded and card.is_file() else ""
