"""A language model's server that does as it is told, and policies that need no training."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from prefrl.cli import app
from prefrl.sandbox import obstacle
from prefrl_icpl import procedure, training
from prefrl_icpl.options import IcplOptions
from prefrl_icpl.training import Workshop

BASE: Mapping[str, Any] = {
    "env": {"id": "prefrl_envs:Reach-v0", "n_envs": 2},
    "algo": {"name": "ppo", "n_timesteps": 2048, "n_steps": 64, "batch_size": 64, "n_epochs": 1},
    "evaluate": {"every": 100_000, "episodes": 1, "final_episodes": 1},
    "relabel": {"scale": True},
    "run": {"seed": 3},
}
REWARD = """import numpy as np

def reward(obs, action, next_obs, factors):
    near = -np.linalg.norm(next_obs[:, 8:10], axis=1)
    effort = -0.0{weight} * np.sum(action ** 2, axis=1)
    return near + effort, {{"near": near, "effort": effort}}
"""


def reply(weight: int = 1) -> str:
    """What a model would say."""
    return f"Here it is.\n\n```python\n{REWARD.format(weight=weight)}```\n"


collect_ignore = [] if any("soak" in argument for argument in sys.argv) else ["soak"]  # what takes long: make soak-icpl


@pytest.fixture(scope="session")
def sandbox() -> None:
    """What runs programs needs bubblewrap; without it, it is skipped and said in the list at the end; with CI set, it fails."""
    reason = obstacle("strict")
    if reason and os.environ.get("CI"):
        pytest.fail(f"CI is set, and this needs sandbox: {reason}", pytrace=False)
    if reason:
        pytest.skip(f"needs sandbox: {reason}")


# --- the server ------------------------------------------------------------------------------------------------------


@dataclass
class Fake:
    """Answers each call by the next of `script`, then by programs; `asked` are the bodies it was sent."""

    url: str = ""
    script: list[str | tuple[int, dict[str, str]] | Callable[[BaseHTTPRequestHandler], None]] = field(
        default_factory=list
    )
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    paid: int = 0  # calls that ended in a completion


def completion(text: str) -> bytes:
    said = {
        "choices": [{"message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 50},
    }
    return json.dumps(said).encode()


@pytest.fixture
def fake() -> Iterator[Fake]:
    """Like vLLM, llama.cpp's server or Ollama, on a port of this machine."""
    state = Fake()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.asked.append(body)
            state.keys.append(self.headers.get("Authorization"))
            said = state.script.pop(0) if state.script else reply(1 + len(state.asked) % 9)
            if callable(said):
                said(self)
                return
            status, headers = (200, {}) if isinstance(said, str) else said
            payload = completion(said) if isinstance(said, str) else b'{"error": {"message": "as told"}}'
            state.paid += isinstance(said, str)
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(payload)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    yield state
    server.shutdown()
    server.server_close()


# --- policies --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def trained(sandbox: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder: what really comes of one program."""
    folder = tmp_path_factory.mktemp("workshop")
    program = folder / "program.py"
    program.write_text(REWARD.format(weight=1), encoding="utf-8")
    workshop = Workshop(folder, BASE, IcplOptions())
    workshop.train({"round-1-a": program})
    workshop.train({"round-1-a": program})  # done is done
    return workshop.run_of("round-1-a")


@pytest.fixture
def shortcut(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Policies without training: each acts in a way that its name decides, and the trial of programs takes no worker."""

    def train(self: Workshop, programs: Mapping[str, Path]) -> None:
        for number, name in enumerate(programs):
            if not self._settled(name):
                shutil.copytree(trained, self.run_of(name))
                values = {"total": [0.1 * number + 0.01 * i for i in range(20)], "near": [-0.5] * 20}
                (self.run_of(name) / "icpl_traces.json").write_text(json.dumps(values), encoding="utf-8")

    plain = procedure.Icpl._policy

    def policy(self: Any, context: Any, name: str) -> Acting:
        return Acting(plain(self, context, name), sum(name.encode()) % 7 / 7 - 0.5)

    monkeypatch.setattr(training.Workshop, "train", train)
    monkeypatch.setattr(procedure.Icpl, "_policy", policy)


class Acting:
    """The same action always."""

    def __init__(self, policy: Any, action: float) -> None:
        self._policy, self._action = policy, action

    def act(self, obs: Any, deterministic: bool = True) -> Any:
        return np.full((len(obs), 2), self._action)

    def state_dict(self) -> Any:
        return self._policy.state_dict()


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """``start(url, candidates=2, sources={...})``: a whole run by its command; an error is raised as it is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREFRL_LLM_API_KEY", raising=False)

    def run(url: str, *, chat: Mapping[str, Any] | None = None, sources: Mapping[str, Any] | None = None, resume: bool = False,
            name: str = "run", **options: Any) -> Path:  # fmt: skip
        chosen = {"candidates": 2, "rounds": 2, "processes": 1, **options}
        chosen["chat"] = {"base_url": url, "model": "m", **(chat or {})}
        settings = {**BASE, "procedure": {"name": "icpl", **chosen}, "sources": {"oracle": {}} if sources is None else sources,
                    "feedback": {"items": chosen["candidates"], "segment": 50}, "reward": {"members": 1, "hidden": [4]}}  # fmt: skip
        Path("run.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        arguments: Sequence[str] = (
            ["train", "--resume", f"runs/{name}"] if resume else ["train", "run.yaml", "--run", f"runs/{name}"]
        )
        done = CliRunner().invoke(app, list(arguments))
        if done.exception is not None:
            raise done.exception
        return tmp_path / "runs" / name

    return run
