"""One program, `photochrom`: a small file for each family of verbs.

Verbs parse, call and print; what they do lives elsewhere and is imported when a verb runs, so that
help is quick. Exit codes: 0 all well, 1 it could not be done, 2 usage or settings, 3 finished but
some rows failed, 4 verification found a mismatch, 130 interrupted and resumable.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from photochrom.jobs.cli import (
    cluster,
    colorize,
    doctor,
    marks,
    models,
    place,
    run,
    score,
    submit,
    train,
    verify,
)

FAILED, USAGE, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="photochrom",
    help="Colorize archives of black-and-white photographs; the machine adds only colour.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for family in (colorize, run, submit, place, verify, score, train, models, marks, cluster, doctor):
    family.register(app)


def program() -> NoReturn:
    """Be the program: run `main` and end the process.

    It ends without taking Ray and Arrow apart first, which would last a third of a second.
    """
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    if not isinstance(code, int):
        sys.exit(str(code))
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        sys.exit(code)  # Python knows how to end where nobody reads on
    os._exit(code)


def main() -> None:
    """Run the program: errors are one line on stderr, a traceback only with PHOTOCHROM_DEBUG."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except KeyboardInterrupt:
        _say("interrupted; the same command goes on from here")
        sys.exit(INTERRUPTED)
    except Exception as error:
        if os.environ.get("PHOTOCHROM_DEBUG"):
            raise
        _say(_line(error))
        sys.exit(_exit_code(error))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(f"photochrom: {text}", file=sys.stderr)


def _line(error: Exception) -> str:
    """Return our own errors as they are, and others with their kind and how to see more."""
    from photochrom.cluster.errors import PoolError
    from photochrom.colorize.errors import PhotochromError

    text = " ".join(str(error).split())
    if isinstance(error, PhotochromError | PoolError):
        return text
    return f"{type(error).__name__}: {text}; set PHOTOCHROM_DEBUG=1 to see where"


def _exit_code(error: Exception) -> int:
    from photochrom.colorize.errors import ModelError, SettingsError

    return USAGE if isinstance(error, SettingsError | ModelError) else FAILED
