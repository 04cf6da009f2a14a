"""What somebody does who has never seen prefrl's sources: a new plugin, installed, checked, used in a YAML, trained with.

`Stranger` runs the commands where only wheels are; tests/integration/test_stranger.py does so in seconds with what is
installed here, tests/soak/test_stranger.py in an environment of its own.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = [ROOT, ROOT / "envs", *sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))]
YAML = """
env: {id: "prefrl_envs:Reach-v0", n_envs: 2}
algo: {name: ppo, n_timesteps: 512, n_steps: 64, batch_size: 64, gamma: 0.9}
pretrain: {name: random, steps: 128}
feedback: {total: 12, rounds: 2, segment: 10}
sources: {careful: {use: my_teacher, margin: 0.001}}
reward: {members: 2, hidden: [16], fit: {epochs: 2}}
evaluate: {every: 512, episodes: 1, final_episodes: 1}
run: {name: first}
"""


def build(python: Path | str, folder: Path, into: Path, *kinds: str) -> list[Path]:
    """Wheel and sdist of one distribution; the files."""
    before = set(into.glob("*"))
    command = [str(python), "-m", "build", "--no-isolation", *kinds, "--outdir", str(into), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return sorted(set(into.glob("*")) - before)


@dataclass
class Stranger:
    """Somebody with a shell in `home`, whose Python is `python`; `took` are seconds by command."""

    home: Path
    python: Path | str
    environ: Mapping[str, str]
    took: dict[str, float] = field(default_factory=dict)

    def does(self, *command: str) -> str:
        """What it prints; it must succeed."""
        return self._run(command, [str(self.python), "-P", *command])

    def prefrl(self, *arguments: str) -> str:
        return self._run(("prefrl", *arguments), [str(self.python), "-P", "-m", "prefrl", *arguments])

    def _run(self, named: Sequence[str], command: Sequence[str]) -> str:
        environ = {**os.environ, "OMP_NUM_THREADS": "1", **self.environ}
        begun = time.monotonic()
        done = subprocess.run(command, cwd=self.home, env=environ, capture_output=True, text=True)
        self.took[" ".join(named[:3])] = time.monotonic() - begun
        assert done.returncode == 0, f"{' '.join(named)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def where(self) -> Path:
        """The prefrl that is used."""
        return Path(self.does("-c", "import prefrl; print(prefrl.__file__)").strip())
