"""Train: a crew on Ray for a training, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from photochrom.cluster import (
    ClusterFacts,
    Crew,
    Reported,
    Restarted,
    Returned,
    connect,
    resolve,
    train,
)
from photochrom.colorize.training.trainer import WEIGHTS
from photochrom.jobs.driving.presence import Presence
from photochrom.jobs.pinned import this_user
from photochrom.jobs.storage.store import Store
from photochrom.jobs.training.gallery import open_gallery
from photochrom.jobs.training.place import output_store, pin
from photochrom.jobs.training.refused import FOLDER, count_refused
from photochrom.jobs.training.settings import Training
from photochrom.jobs.training.worker import learn
from photochrom.jobs.weights import kept_file


@dataclass(frozen=True)
class Told:
    """Who hears of a training while it runs."""

    progress: Callable[[Mapping[str, Any]], None]
    note: Callable[[str], None]


@dataclass(frozen=True)
class Trained:
    """The finished weights: where they lie, their digest and size."""

    uri: str
    sha256: str
    bytes: int


def run_training(training: Training, address: str, told: Told, *, debug: bool = False) -> Trained:
    """Train to the end, or go on from where the output place stands, and return the weights.

    Raises OtherJob if the place holds another training, TrainerError if workers keep dying.
    """
    store = output_store(training)
    store.probe()
    digests = {n: kept_file(u, training.storage.source)[1] for n, u in training.files().items()}
    pin(store, training, digests)
    if not store.exists(WEIGHTS):
        gallery = open_gallery(training, store)  # what is wrong with it is told at once
        if gallery.left_out:
            counts = ", ".join(f"{count} {what}" for what, count in gallery.left_out.items())
            told.note(f"left out of the training: {counts}")
        if not len(gallery.held_out):
            told.note("no photograph is held out: nothing is measured, and no weights are chosen")
        _train(training, store, address, told, debug)
        if refused := count_refused(store):
            counts = ", ".join(f"{count} {kind}" for kind, count in refused.most_common())
            told.note(f"passed over: {counts}; {store.uri(FOLDER)} says which")
    return finished(store)


def _train(training: Training, store: Store, address: str, told: Told, debug: bool) -> None:
    """Go on to the end; whoever else is at it is named, and an interruption told."""
    presence = Presence(store, this_user())
    try:
        for other in presence.others():
            told.note(f"another driver is at work on this training: {other}; work is done twice")
        with connect(address, debug=debug) as facts:
            _hear(training, facts, told, presence)
    except KeyboardInterrupt:
        told.note("interrupted; the same command goes on from here")
        raise
    finally:
        presence.leave()


def _hear(training: Training, facts: ClusterFacts, told: Told, presence: Presence) -> None:
    """Start the crew and pass on what is heard of it."""
    run = training.run
    # a crew that does not fit is told in the words of a training, by `train`
    gpus = run.gpus_per_worker
    if gpus == "auto" and facts.gpus < 1:
        gpus = 0.0  # a crew waits for no machine that may come
    sizes = resolve(run.workers, run.cpus_per_worker, gpus, facts, elastic=True)
    crew = Crew(sizes.replicas, sizes.cpus, sizes.gpus, run.attempts)
    with closing(train(learn, training.model_dump(mode="json"), crew)) as events:
        for event in events:
            presence.beat()
            match event:
                case Reported(value):
                    told.progress(value)
                case Restarted(number, because):
                    told.note(f"started again, {number} of {run.attempts - 1}: {because}")
                case Returned():
                    pass


def finished(store: Store) -> Trained:
    """Return the finished weights of a place."""
    with TemporaryDirectory(prefix="photochrom-") as folder:
        found = store.fetch(WEIGHTS, Path(folder) / WEIGHTS)
    return Trained(store.uri(WEIGHTS), found.sha256, found.size)
