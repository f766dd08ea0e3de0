"""Where the faults happen: two buckets of two parties on one server, and drivers to be killed."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

from photochrom.jobs.audit.orphans import orphans, prune
from photochrom.jobs.audit.questions import questions
from photochrom.jobs.identity import commit_name
from photochrom.jobs.planning.plan import read_plans
from photochrom.jobs.storage.access import Access, Entry
from photochrom.jobs.storage.store import Store
from tests.drills.archive import Sheet, manifest
from tests.servers import SeaweedFS

ROOT = Path(__file__).parents[2]
SOURCES, RESULTS = "scans", "colour"
PATIENCE = 120.0
PROGRAM = "from photochrom.jobs.cli import program; program()"

AT_ONCE = timedelta(0)
ONE_ROW_EACH = "SELECT count(*) AS rows, count(DISTINCT row_id) AS inputs FROM current"

T = TypeVar("T")


def until(found: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """Ask again and again until the answer is true, and return it."""
    deadline = time.monotonic() + patience
    while not (answer := found()):
        assert time.monotonic() < deadline, f"waited {patience:g} s in vain: {what}"
        time.sleep(0.02)
    return answer


@dataclass
class TwoParties(SeaweedFS):
    """A server where one party may only read the sources, and another only touch the results."""

    secret: str = field(default_factory=lambda: secrets.token_hex(20), repr=False)

    def access(self, party: str) -> Access:
        prefix = f"PHOTOCHROM_TEST_{party.upper()}"
        return Access(
            endpoint=self.endpoint,
            access_key_env=f"{prefix}_ACCESS_KEY",
            secret_key_env=f"{prefix}_SECRET_KEY",
        )

    def keys(self) -> dict[str, str]:
        """Return what must be in the environment of who uses `access`."""
        named: dict[str, str] = {}
        for party in (SOURCES, RESULTS):
            access = self.access(party)
            named |= {str(access.access_key_env): party, str(access.secret_key_env): self.secret}
        return named

    def _identities(self) -> dict[str, Any]:
        allowed = {SOURCES: ["Read", "List"], RESULTS: ["Read", "List", "Write"]}
        parties = [
            {
                "name": party,
                "credentials": [{"accessKey": party, "secretKey": self.secret}],
                "actions": [f"{action}:{party}" for action in actions],
            }
            for party, actions in allowed.items()
        ]
        return {"identities": super()._identities()["identities"] + parties}


@dataclass
class Driving:
    """One driver as a process of its own session, and all that it starts."""

    command: list[str]
    log: Path
    environment: dict[str, str]

    def __enter__(self) -> Self:
        self.out = self.log.with_suffix(".out")
        with self.log.open("wb") as log, self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, *self.command],
                cwd=ROOT,
                env=os.environ | self.environment,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what is left: Ray's agents outlive a killed driver by minutes."""
        for pid in self.family():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    @property
    def said(self) -> str:
        """What the driver said to people, in one line."""
        return " ".join(self.log.read_text().split())

    def answer(self) -> dict[str, Any]:
        """Return what the driver printed as JSON."""
        found: dict[str, Any] = json.loads(self.out.read_text())
        return found

    def ended(self, patience: float = PATIENCE) -> int:
        """Wait for the end; return the exit code."""
        return self.process.wait(patience)

    def family(self) -> dict[int, str]:
        """Return the living processes of the session, by their names."""
        found = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(FileNotFoundError, ProcessLookupError):
                name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
                state, _, _, session = rest.split()[:4]
                if int(session) == self.process.pid and state != "Z":
                    found[int(stat.parent.name)] = name
        return found


class Place:
    """One job's output place, as a test sees it from outside."""

    def __init__(self, server: TwoParties, name: str, folder: Path, manifest: str) -> None:
        self._server, self._folder, self._runs = server, folder, 0
        self.uri = f"s3://{RESULTS}/{name}"
        self.store = Store(self.uri, server.access(RESULTS))
        self.job_file = folder / f"{name}.toml"
        self.job_file.write_text(_job_text(server, f"s3://{SOURCES}/{manifest}", self.uri))

    def run(self, *changes: str) -> Driving:
        """Start the job's driver."""
        options = [word for change in changes for word in ("--set", change)]
        return self.photochrom("run", str(self.job_file), "--json", *options)

    def harmed(self, notes: Path, *changes: str) -> Driving:
        """Start a driver whose workers are harmed by marked photographs."""
        named = {"PHOTOCHROM_TEST_NOTES": str(notes)}
        command = ["-m", "tests.drills.harmed", str(self.job_file), *changes]
        return self._driving(command, named)

    def verify(self) -> tuple[int, str]:
        """Let the program prove the place; return its exit code and findings."""
        access = self._server.access(RESULTS)
        names = access.model_dump(exclude_none=True, exclude_defaults=True)
        options = [
            word for name in names for word in ("--set", f"storage.output.{name}={names[name]}")
        ]
        with self.photochrom("verify", self.uri, *options) as verifying:
            return verifying.ended(), verifying.out.read_text() + verifying.said

    def photochrom(self, *words: str) -> Driving:
        """Start the program."""
        return self._driving(["-c", PROGRAM, *words], {})

    def _driving(self, command: list[str], named: dict[str, str]) -> Driving:
        self._runs += 1
        log = self._folder / f"{self.job_file.stem}-{self._runs}.log"
        return Driving(command, log, self._server.keys() | named)

    def commits(self) -> set[str]:
        """Return the keys of the shards that are committed."""
        return {entry.key for entry in self.store.list("ledger/")}

    def listing(self) -> list[Entry]:
        """Return every object that stands, with version and time of writing."""
        return list(self.store.list())

    def under_way(self) -> set[str]:
        """Return the keys of shards that have plates but no commit."""
        shard_of = {
            row.row_key[:16]: shard.key
            for plan in read_plans(self.store)
            for shard in plan.shards
            for row in shard.rows
        }
        plates = [entry.key.split("/")[-1][:16] for entry in self.store.list("plates/")]
        standing = self.commits()
        begun = {shard_of[plate] for plate in plates}
        return {key for key in begun if commit_name(key) not in standing}

    def assert_all_done_and_proven(self, count: int, failed: int = 0) -> None:
        """Hold the finished place against so many photographs, of which so many failed."""
        assert self.ask(ONE_ROW_EACH) == [{"rows": count, "inputs": count}]
        proofs = self.ask("SELECT luma_proof, count(*) AS n FROM prints GROUP BY ALL")
        assert proofs == [{"luma_proof": "exact", "n": count - failed}]
        assert self.verify()[0] == 0
        gone = list(prune(self.store, orphans(self.store, AT_ONCE), AT_ONCE))
        assert [o.key for o in orphans(self.store, AT_ONCE) if not o.kept] == []
        assert not gone or self.verify()[0] == 0

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """Ask the ledger."""
        with questions(self.store) as tables:
            return tables.ask(sql)


def fill(server: TwoParties, name: str, sheets: Iterable[Sheet]) -> str:
    """Store photographs and a manifest of them; return the manifest's key."""
    client = server.client()
    entries: list[dict[str, object]] = []
    for sheet in sheets:
        key = f"{name}/{sheet.name}"
        stored = client.put_object(Bucket=SOURCES, Key=key, Body=sheet.data)
        version = f"{stored['ETag'].strip(chr(34))}-{len(sheet.data)}"
        entries.append(
            {"row_id": sheet.name, "uri": key, "version": version, "bytes": len(sheet.data)}
        )
    client.put_object(Bucket=SOURCES, Key=f"{name}.parquet", Body=manifest(entries))
    client.close()
    return f"{name}.parquet"


def _job_text(server: TwoParties, source: str, output: str) -> str:
    lines = [
        f'manifest = "{source}"',
        f'output = "{output}"',
        "[paint]",
        'model = "echo"',
        "[print]",
        'format = "tiff"',
        "[run]",
        "replicas = 2",
        "threads = 1",
    ]
    for side, party in (("source", SOURCES), ("output", RESULTS)):
        named = server.access(party).model_dump(exclude_none=True, exclude_defaults=True)
        lines += [f"[storage.{side}]", *(f'{name} = "{named[name]}"' for name in named)]
    return "\n".join(lines) + "\n"
