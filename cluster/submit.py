"""Submit: a job goes to a cluster's jobs server, with the code that it needs, and is watched.

A job has a name, and each time it is sent a number: `NAME-1`, `NAME-2`. The server takes a number
once, so of two who send the same job at the same time one is refused.
"""

import asyncio
import logging
import os
import shlex
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photochrom.cluster import arrival
from photochrom.cluster.cargo import Cargo, from_here, from_wheel
from photochrom.cluster.errors import SubmitError
from photochrom.cluster.scratch import scratch_folder

POLL_SECONDS = 0.5
_SECONDS = 60.0  # for the jobs server to answer
_ATTEMPTS = 5  # to come back to a log whose line was cut
_OVERRIDES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
_TOKEN_FILE = Path("~/.ray/auth_token")
_SUCCEEDED, _STOPPED = "SUCCEEDED", "STOPPED"
_NO_AGENT = "No available agent to submit job"
_OVER = (_SUCCEEDED, _STOPPED, "FAILED")


@dataclass(frozen=True)
class Errand:
    """What is to be done: `photochrom` with these arguments, beside files of these texts."""

    name: str
    arguments: Sequence[str]
    files: Mapping[str, str]


@dataclass(frozen=True)
class State:
    """How a submission stands; `exit_code` is that of its process, once there is one."""

    id: str
    status: str
    exit_code: int | None
    message: str

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.status in _OVER

    @property
    def stopped(self) -> bool:
        """Whether it was stopped from outside."""
        return self.status == _STOPPED

    @property
    def failed(self) -> bool:
        """Whether it ended by itself, and not well."""
        return self.over and not self.stopped and self.status != _SUCCEEDED


@contextmanager
def cargo(wheel: Path | None) -> Iterator[Cargo]:
    """Unpack a wheel, or the Photochrom that runs here, for as long as it is sent."""
    with scratch_folder() as folder:
        yield from_here(folder) if wheel is None else from_wheel(wheel, folder)


class JobServer:
    """The jobs server of a cluster, at `http://head:8265`."""

    def __init__(self, address: str) -> None:
        """Reach it; raises SubmitError if nobody answers, or does not let us in."""
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        if not address.startswith(("http://", "https://")):
            raise SubmitError(
                f"{address}: jobs are submitted to the head's jobs server, as in http://head:8265"
            )
        self.address = address.rstrip("/")
        with self._spoken():
            from ray.job_submission import JobSubmissionClient

            for handler in logging.getLogger("ray").handlers:
                handler.setLevel(logging.WARNING)  # it tells of every file that it sends
            with _without(_OVERRIDES):
                self._client: Any = JobSubmissionClient(self.address, headers=_token())

    def ray_version(self) -> str:
        """Return the version of the cluster's Ray."""
        import requests

        with self._spoken():
            url = f"{self.address}/api/version"
            return str(requests.get(url, headers=_token(), timeout=_SECONDS).json()["ray_version"])

    def send(self, errand: Errand, load: Cargo) -> str:
        """Send an errand and return its id; raises SubmitError while it is there already.

        Raises SubmitError, too, if the cluster's Ray is not what the cargo requires.
        """
        wanted = load.requirement("ray")
        have = self.ray_version()
        if wanted and not wanted.specifier.contains(have, prereleases=True):
            raise SubmitError(
                f"{self.address} runs Ray {have}, and photochrom {load.version} needs "
                f"{wanted}: start the cluster from an image made for this release"
            )
        numbers = self._numbers(errand.name)
        if busy := next((state for state in numbers.values() if not state.over), None):
            raise SubmitError(self._busy(busy))
        number = max(numbers, default=0) + 1
        with scratch_folder() as folder:
            return self._send(errand, f"{errand.name}-{number}", load, folder)

    def _send(self, errand: Errand, submission: str, load: Cargo, folder: Path) -> str:
        script = Path(arrival.__file__)
        for name, text in {**errand.files, script.name: script.read_text("utf-8")}.items():
            (folder / name).write_text(text, "utf-8")
        with self._spoken(submission):
            return self._taken(
                entrypoint=shlex.join(["python", script.name, *errand.arguments]),
                submission_id=submission,
                runtime_env={"working_dir": str(folder), "py_modules": load.folders},
            )

    def _taken(self, **job: Any) -> str:
        """Hand in a job; a head that has just begun has no agent for it yet, and is asked again."""
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                return str(self._client.submit_job(**job))
            except RuntimeError as error:
                if _NO_AGENT not in str(error) or time.monotonic() >= deadline:
                    raise
            time.sleep(POLL_SECONDS)

    def state(self, submission: str) -> State:
        """Say how a submission stands."""
        with self._spoken():
            return _state(self._client.get_job_info(submission))

    def active(self, name: str) -> State | None:
        """Return the submission of this name that is pending or running."""
        states = self._numbers(name).values()
        return next((state for state in states if not state.over), None)

    def begun(self, submission: str, seconds: float) -> State:
        """Wait until the job is at work or over, or for so long, and say how it stands."""
        deadline = time.monotonic() + seconds
        while True:
            state = self.state(submission)
            with self._spoken():
                at_work = arrival.HELLO in self._client.get_job_logs(submission)
            if at_work or state.over or time.monotonic() > deadline:
                return state
            time.sleep(POLL_SECONDS)

    def follow(self, submission: str, hear: Callable[[str], None]) -> State:
        """Hear the job's log until it ends, and say how it did."""
        heard = 0
        for attempt in range(_ATTEMPTS):
            try:
                with warnings.catch_warnings():  # of aiohttp, about how Ray calls it
                    warnings.filterwarnings("ignore", "ssl=None", DeprecationWarning)
                    log = self._client.tail_job_logs(submission)
                    heard = asyncio.run(_listen(log, heard, hear))
            except _Cut as cut:
                heard = cut.heard
                if attempt == _ATTEMPTS - 1:
                    raise SubmitError(
                        f"{self.address}: the log of {submission} was cut off {_ATTEMPTS} times: "
                        f"{cut}; the job may go on: photochrom status tells"
                    ) from cut
                time.sleep(POLL_SECONDS * 2**attempt)
                continue
            if (state := self.state(submission)).over:
                return state
            time.sleep(POLL_SECONDS)
        return self._ended(submission)

    def stop(self, submission: str) -> State:
        """Stop a job, and say how it stands when it has ended."""
        with self._spoken():
            self._client.stop_job(submission)
        return self._ended(submission)

    def _ended(self, submission: str) -> State:
        while not (state := self.state(submission)).over:
            time.sleep(POLL_SECONDS)
        return state

    def _numbers(self, name: str) -> dict[int, State]:
        with self._spoken():
            found = self._client.list_jobs()
        numbers = {}
        for details in found:
            before, _, number = (details.submission_id or "").rpartition("-")
            if before == name and number.isdecimal():
                numbers[int(number)] = _state(details)
        return numbers

    def _busy(self, state: State) -> str:
        return (
            f"{state.id} is {state.status.lower()} at {self.address}: wait for it, stop it by "
            f"--stop, or watch it: ray job logs --follow --address {self.address} {state.id}"
        )

    @contextmanager
    def _spoken(self, submission: str = "") -> Iterator[None]:
        """Turn what Ray's client raises into our error, in one line."""
        from ray.exceptions import AuthenticationError
        from requests import RequestException

        try:
            yield
        except AuthenticationError as error:
            raise SubmitError(
                f"{self.address} asks for its token, and ours is none or another: put it into "
                "~/.ray/auth_token, or set RAY_AUTH_TOKEN"
            ) from error
        except (RequestException, ConnectionError) as error:
            raise SubmitError(
                f"no jobs server answers at {self.address} ({type(error).__name__}): it is at port "
                "8265 of the head, where ray[default] is installed"
            ) from error
        except RuntimeError as error:
            if submission and "already" in str(error):
                raise SubmitError(f"{submission} was sent by somebody else just now") from error
            raise SubmitError(f"{self.address} refused: {_brief(error)}") from error


class _Cut(Exception):  # noqa: N818 - what happened to the line
    """The line to a log broke after so many characters."""

    def __init__(self, heard: int, cause: Exception) -> None:
        super().__init__(_brief(cause))
        self.heard = heard


async def _listen(log: AsyncIterator[str], known: int, hear: Callable[[str], None]) -> int:
    """Pass a log on, but for what is known of it; return how long it is."""
    from aiohttp import ClientError

    length = 0
    try:
        async for text in log:
            length += len(text)
            if length > known:
                hear(text[-(length - known) :])
                known = length
    except (ClientError, OSError, RuntimeError) as error:
        raise _Cut(known, error) from error
    return known


def _state(details: Any) -> State:
    status = str(getattr(details.status, "value", details.status))
    return State(details.submission_id, status, details.driver_exit_code, details.message or "")


def _token() -> dict[str, str]:
    """Return the header that lets us in, from where Ray's own commands look for its token."""
    token = os.environ.get("RAY_AUTH_TOKEN", "")
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or _TOKEN_FILE).expanduser()
    if not token and file.is_file():
        token = file.read_text("utf-8").strip()
    return {"Authorization": f"Bearer {token}"} if token else {}


@contextmanager
def _without(names: Sequence[str]) -> Iterator[None]:
    """Hide environment variables by which Ray would go elsewhere than it is told to."""
    held = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(held)


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
