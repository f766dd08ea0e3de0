"""What each worker of a training does: the trainer of its recipe, on its share of photographs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from photochrom.colorize.training.held_out import HeldOut
from photochrom.colorize.training.loader import Loader
from photochrom.colorize.training.networks import Networks
from photochrom.colorize.training.recipe import Recipe
from photochrom.colorize.training.record import Record
from photochrom.colorize.training.shelf import Shelf
from photochrom.colorize.training.team import Team
from photochrom.colorize.training.trainer import Trainer
from photochrom.jobs.training.gallery import Gallery, read_gallery
from photochrom.jobs.training.place import StoreKeep, output_store
from photochrom.jobs.training.refused import Refusals
from photochrom.jobs.training.settings import FILES, Training
from photochrom.jobs.weights import kept_file

COLOURS_FROM = 1500  # photographs, at most, that tell which colours there are


def learn(settings: Mapping[str, Any], report: Callable[[Mapping[str, Any]], None]) -> str:
    """Go through a training to its end, from wherever its place says; return the weights' key."""
    training = Training.model_validate(settings)
    team = Team.here(max(1, int(training.run.cpus_per_worker)))
    device = team.device()
    store = output_store(training)
    gallery = read_gallery(training, store)
    recipe = with_files_here(training)
    with (
        Refusals(store, team.rank) as refusals,
        shelf_of(gallery.train, training, refusals) as shelf,
        shelf_of(gallery.held_out, training, refusals) as apart,
    ):
        networks = Networks(recipe, shelf.spread(COLOURS_FROM), device)
        shown = apart.spread(recipe.validation.photographs) if team.leads else []
        trainer = Trainer(
            networks,
            Loader(shelf, gallery.train.weights, recipe, team, device, training.run.makers),
            HeldOut(shown, recipe.validation, device),
            Record(StoreKeep(store), team),
            report,
            training.run.checkpoint_minutes,
        )
        return trainer.run()


def shelf_of(gallery: Gallery, training: Training, refusals: Refusals) -> Shelf:
    """Return a shelf for a gallery's photographs, which writes down those it refuses."""
    return Shelf(
        gallery.fetch,
        len(gallery),
        side=training.side,
        room=training.run.photograph_bytes,
        threads=training.run.threads,
        trim_borders=training.trim_borders,
        on_refused=partial(refusals.add, gallery),
    )


def with_files_here(training: Training) -> Recipe:
    """Return the recipe with the files it names as paths of this machine."""
    values = training.recipe().model_dump()
    for path in FILES:
        *sections, name = path
        section = values
        for part in sections:
            section = section[part]
        if section[name]:
            file: Path = kept_file(section[name], training.storage.source)[0]
            section[name] = str(file)
    return Recipe.model_validate(values)
