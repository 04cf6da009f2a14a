"""Programs in, policies out: each is trained by a run of its own, several at a time, and resumed where it was killed."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from prefrl.errors import RunError
from prefrl_icpl.options import IcplOptions
from prefrl_icpl.program import read_fault

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
_KEPT = ("plugins", "env", "algo", "relabel", "checkpoint")  # sections of the whole run that hold for each policy
_PR_SET_PDEATHSIG = 1


class Workshop:
    """`folder`/<name> is the run of the program `name`; `base` is the whole run's resolved configuration."""

    def __init__(self, folder: Path, base: Mapping[str, Any], options: IcplOptions) -> None:
        self._folder, self._base, self._options = folder, base, options
        folder.mkdir(parents=True, exist_ok=True)

    def run_of(self, name: str) -> Path:
        """The run folder of a policy."""
        return self._folder / name

    def train(self, programs: Mapping[str, Path]) -> None:
        """Train a policy on each; those that are done, or whose programs turned out unusable, are left as they are."""
        waiting = [name for name in programs if not self._settled(name)]
        running: dict[str, subprocess.Popen[bytes]] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self._options.processes:
                    name = waiting.pop(0)
                    running[name] = self._started(name, programs[name])
                for name in [name for name, process in running.items() if process.poll() is not None]:
                    self._ended(name, running.pop(name).returncode)
                time.sleep(POLL_SECONDS if running else 0)
        finally:
            for process in running.values():
                process.kill()
                process.wait()

    def _settled(self, name: str) -> bool:
        return self._status(name) == "ok" or read_fault(self.run_of(name)) is not None

    def _status(self, name: str) -> str:
        path = self.run_of(name) / "manifest.json"
        return str(json.loads(path.read_text(encoding="utf-8"))["status"]) if path.exists() else ""

    def _started(self, name: str, program: Path) -> subprocess.Popen[bytes]:
        config = self._folder / f"{name}.yaml"
        if self._status(name):
            arguments = ["--resume", str(self.run_of(name))]
        else:
            config.write_text(yaml.safe_dump(self._configuration(name, program), sort_keys=False), encoding="utf-8")
            arguments = [str(config), "--run", str(self.run_of(name))]
        log.info("training a policy on %s", name)
        with self._log(name).open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "prefrl", "train", *arguments],
                stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": "1"}, preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads here
            )  # fmt: skip

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _configuration(self, name: str, program: Path) -> dict[str, Any]:
        options = self._options
        evaluate = dict(self._base.get("evaluate") or {})
        few = evaluate if options.choose == "task_score" else {"episodes": 1, "final_episodes": 1}
        return {
            **{key: self._base[key] for key in _KEPT if key in self._base},
            "procedure": {"name": "online"},
            "pretrain": None,
            "feedback": {"total": 0},
            "sources": {},
            "reward": {
                "model": "icpl_program", "file": str(program.absolute()), "sandbox": options.sandbox,
                "seconds": options.seconds, "privileged": options.privileged,
            },
            "evaluate": {**few, "every": self._base["algo"]["n_timesteps"]},
            "run": {**self._base["run"], "name": name},
        }  # fmt: skip

    def _ended(self, name: str, status: int) -> None:
        if status == 0 or read_fault(self.run_of(name)) is not None:
            return
        lines = self._log(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise RunError(
            f"Training on {name} failed ({lines[-1] if lines else f'exit status {status}'}); see {self._log(name)}. "
            f"Resume when it is mended."
        )

    def score(self, name: str) -> float:
        """The mean true return of its policy, as its run evaluated it at the end."""
        lines = (self.run_of(name) / "evaluations.jsonl").read_text(encoding="utf-8").splitlines()
        returns: Sequence[float] = json.loads(lines[-1])["true_return"]
        return sum(returns) / len(returns)


def _die_with_parent() -> None:
    """A run that is killed leaves no training behind that a resumed one would have to wait for."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
