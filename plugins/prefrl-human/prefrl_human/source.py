"""A run's desk in, people's answers in its data set out: the page is served by a process beside the run."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import webbrowser
from typing import Any

from prefrl import errors
from prefrl.errors import ConfigError, RunError, choices
from prefrl.specs import BuildContext, Desk
from prefrl_human.options import HumanOptions
from prefrl_human.outlook import outlook
from prefrl_human.place import Place
from prefrl_human.quality import examine
from prefrl_human.quality_section import write as write_section
from prefrl_human.records import served
from prefrl_human.serving import Address

STARTS = 30.0  # seconds the server may take to start
SHORTEST = 10.0  # seconds; a server that ends sooner than this after its start is not started again
SPEAK = 15.0  # seconds between lines that say what is waited for


class People:
    """A deferred source. What it serves lives in another process, which ends with the run and may die before it."""

    def __init__(self, options: HumanOptions, context: BuildContext) -> None:
        self._options, self._context = options, context
        self._where = f"sources.{context.name}"
        self._place: Place | None = None
        self._process: subprocess.Popen[str] | None = None
        self._began = self._spoke = 0.0
        self.address: Address | None = None
        self._check_overlay()

    def _check_overlay(self) -> None:
        known = self._context.env.factors
        for name in self._options.overlay:
            if name not in known:
                raise ConfigError(f"{self._where}.overlay: there is no factor '{name}'. {choices(name, known)}")
            if known[name].privileged and not self._options.privileged:
                raise ConfigError(
                    f"{self._where}.overlay: factor '{name}' gives the designed reward away; set privileged: true to show it "
                    f"all the same, which reports repeat."
                )

    def open(self, desk: Desk) -> None:
        """Start the server and say where the page is."""
        self._place = Place(
            url=desk.url, folder=desk.folder, data_set=desk.data_set, source=self._context.name, options=self._options,
            run=self._context.folder, answers=desk.answers, env_kwargs=dict(desk.env_kwargs), size=desk.size,
            camera=desk.camera, seed=self._context.seed,
        )  # fmt: skip
        self._start()
        assert self.address is not None
        _say("\n".join(self.address.lines()))
        if self._options.browser and _has_screen():
            webbrowser.open(next((link for link in self.address.links.values() if link), self.address.url))

    def _start(self) -> None:
        assert self._place is not None
        self._began = time.monotonic()
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "prefrl_human.serving"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(self._place.model_dump_json() + "\n")
        process.stdin.flush()
        said: dict[str, Any] = json.loads(process.stdout.readline() or "{}")
        if "url" not in said:
            kind = getattr(errors, said.get("kind", ""), RunError)
            raise kind(f"{self._where}: {said.get('error', 'the page could not be served')}")
        self.address = Address(said["url"], said["links"])

    def waiting(self, answered: int, asked: int) -> None:
        """Say what is waited for; start the server again if it was killed."""
        assert self._process is not None
        assert self.address is not None
        if self._process.poll() is not None:
            if time.monotonic() - self._began < SHORTEST:
                raise RunError(
                    f"{self._where}: the page's server ended with status {self._process.returncode}; answers are safe, "
                    f"and `prefrl train --resume {self._context.folder}` goes on."
                )
            _say(f"{self._where}: the page's server ended with status {self._process.returncode} and is started again")
            _ended(self._process)
            self._start()
        if time.monotonic() - self._spoke > SPEAK:
            self._spoke = time.monotonic()
            _say(f"waiting for people: {answered} of {asked} answered at {self.address.url}")

    def distrusted(self) -> frozenset[str]:
        """Whom the rules exclude, by all checks so far; the report's page on label quality is brought up to date."""
        return self._judged(planned=False)

    def _judged(self, *, planned: bool) -> frozenset[str]:
        if self._place is None or self._place.run is None:
            return frozenset()
        with self._place.store() as store:
            answers = served(store, self._place.data_set, self._context.name)
        quality = examine(answers, self._options.exclude)
        expected = outlook(answers, self._context.rng("outlook")) if planned else None
        if quality.people:
            write_section(self._place.run, self._context.name, quality, expected.sentence if expected else "")
        return quality.excluded

    def close(self) -> None:
        """End the server; what is on disk stays, and `prefrl rank` serves it again."""
        process, self._process = self._process, None
        if process is None:
            return
        _ended(process)
        self._judged(planned=True)


def _ended(process: subprocess.Popen[str]) -> None:
    """End a server by closing what it listens to, and let go of it."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def _has_screen() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) or sys.platform in ("darwin", "win32")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
