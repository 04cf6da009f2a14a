"""A throw-away PostgreSQL server under a folder: Debian's programs in, URLs of empty databases out; gone when it closes.

Nothing is installed and no port is opened: it listens on a Unix socket in its own folder. PostgreSQL refuses to run as
root, so root runs it as the user `postgres`.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

DEBIAN = Path("/usr/lib/postgresql")
START_SECONDS = 50.0
ATTEMPTS = 5


def programs() -> Path | None:
    """Where initdb and postgres are; None if they are not installed."""
    found = [
        folder / "bin" for folder in sorted(DEBIAN.glob("*"), reverse=True) if (folder / "bin" / "initdb").exists()
    ]
    beside = shutil.which("initdb")
    return found[0] if found else Path(beside).parent if beside else None


class Server:
    """Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        where = programs()
        assert where is not None
        self._bin, self._folder, self._data = where, folder, folder / "data"
        self._as: dict[str, Any] = (
            {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        )
        self._numbers = itertools.count()

    def __enter__(self) -> Server:
        self._folder.mkdir(parents=True)
        if self._as:
            shutil.chown(self._folder, "postgres", "postgres")
        for attempt in range(ATTEMPTS):
            self._open_the_way()
            made = self._run(
                "initdb", "-D", self._data, "-U", "prefrl", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"
            )
            if made.returncode == 0:
                break
            if attempt == ATTEMPTS - 1:
                raise RuntimeError(made.stderr)
            shutil.rmtree(self._data, ignore_errors=True)
        self._start()
        return self

    def _open_the_way(self) -> None:
        """Let the other user come through to the folder; another pytest that starts at this moment may close it again."""
        for parent in self._folder.parents if self._as else ():
            if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)

    def _start(self) -> None:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": self._folder,
            "fsync": "off",
            "max_connections": 120,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._open_the_way()
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, *options], cwd="/", stdout=log, stderr=log, **self._as
            )
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run([self._bin / "pg_isready", "-h", self._folder, "-q"], check=False).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._folder / "log").read_text())
            time.sleep(0.05)

    def _run(self, name: str, *arguments: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._bin / name, *arguments], cwd="/", check=False, capture_output=True, text=True, **self._as
        )

    def database(self, template: str = "template0") -> str:
        """The URL of a new database, a copy of `template`."""
        import psycopg

        name = f"prefrl_{next(self._numbers)}"
        with psycopg.connect(host=str(self._folder), user="prefrl", dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")  # type: ignore[arg-type]
        return f"postgresql://prefrl@/{name}?host={self._folder}"

    def restart(self) -> None:
        """Kill every process of the server at once, as a power cut would, and start it again."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)
        self._start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
