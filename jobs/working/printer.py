"""Make one print, prove it, and put it where its content names it."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from photochrom.colorize.picture import Origin, Photo, Plate, PrintRecipe
from photochrom.colorize.picture.marking.c2pa import Signer
from photochrom.jobs.identity import print_name
from photochrom.jobs.planning.restrictions import Restrictions
from photochrom.jobs.records import PrintedRow
from photochrom.jobs.settings import print_digest
from photochrom.jobs.storage.store import Store


class Printer:
    """Prints of one recipe, ordered together; `scratch` holds each while it is proven."""

    def __init__(
        self,
        store: Store,
        recipe: PrintRecipe,
        origin: Origin,
        scratch: Path,
        restrictions: Restrictions,
        signer: Signer | None = None,
    ) -> None:
        self._store, self._recipe, self._origin = store, recipe, origin
        self._restrictions = restrictions
        self._scratch, self._signer = scratch, signer
        self._digest = print_digest(recipe)

    def make(
        self,
        photo: Photo,
        plate: Plate,
        *,
        row_id: str,
        row_key: str,
        shard_key: str,
        collection: str,
        source_uri: str,
    ) -> PrintedRow:
        """Write and store one print; raises PrintError, StorageError, Restricted."""
        path = self._scratch / f"{row_key}.{self._recipe.suffix}"
        try:
            origin = replace(self._origin, original=row_id)
            facts = plate.print_on(photo, origin).save(path, self._recipe, self._signer)
            name = print_name(
                collection, source_uri, row_key, facts.output_sha256, self._recipe.suffix
            )
            self._restrictions.check(row_id, source_uri, photo.sha256)
            self._store.put_file(name, path)
        finally:
            path.unlink(missing_ok=True)
        return PrintedRow(
            row_id=row_id,
            row_key=row_key,
            shard_key=shard_key,
            print_digest=self._digest,
            plate_sha256=plate.sha256,
            tone_table_sha256=plate.tone.sha256,
            output_uri=self._store.uri(name),
            marks="xmp+c2pa" if self._recipe.c2pa else "xmp",
            **asdict(facts),
        )
