"""End to end: a scripted person who knows a hidden score clicks in a real browser, and a hopper learns from the clicks.

The score lies in a file beside the test; neither server nor run is told of it. With PREFRL_LONG the configuration is run as it is on
seeds 0 to 2, against answers drawn at random; without it the same path is walked with few steps.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("prefrl_envs")
ROOT = Path(__file__).parents[4]
CONFIG = ROOT / "configs" / "human" / "backflip.yaml"
CHROMIUM = next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
SMALL = ["algo.n_timesteps=1024", "algo.n_steps=64", "pretrain.steps=512", "feedback.total=2", "feedback.rounds=1", "feedback.items=3",
         "feedback.initial=0", "evaluate.every=1024", "evaluate.episodes=1", "evaluate.final_episodes=1"]  # fmt: skip


def worth(states: Any) -> float:
    """What the person prefers: landed backward turns (the hidden score), else turning and rising on the way there."""
    from prefrl_envs import scores
    from prefrl_envs.task import State

    state = State(np.asarray(states)[:, 1:7], np.asarray(states)[:, 7:13])
    lowest = np.minimum(*scores.lowest(state))
    flying = lowest > scores.AIRBORNE
    turned = (np.diff(state.qpos[:, 2]) * (flying[1:] & flying[:-1])).sum() / (2 * np.pi)
    return float(2 * scores.backflip(states) + 2 * turned + 2 * np.clip(lowest - 0.05, 0, None).mean())


class SideFile(threading.Thread):
    """Writes item id -> worth for every open question of a store, as they come; the person reads it."""

    def __init__(self, folder: Path, name: str, path: Path, rng: np.random.Generator | None) -> None:
        super().__init__(daemon=True)
        self.folder, self.data_set, self.path, self.rng = folder, name, path, rng
        self.over = threading.Event()

    def run(self) -> None:
        from prefrl.errors import DataError
        from prefrl.store import open_store

        known: dict[str, float] = {}
        while not self.over.is_set():
            time.sleep(0.2)
            if not (self.folder / "prefrl.sqlite").exists():
                continue
            with open_store(None, self.folder) as store:
                try:
                    data = store.data_set(self.data_set)
                except DataError:
                    continue
                for query in data.queries(data.open_queries()).values():
                    for item in query.items:
                        known.setdefault(item.id, worth(item.states) if self.rng is None else float(self.rng.random()))
            draft = self.path.with_suffix(".draft")
            draft.write_text(json.dumps(known))
            draft.replace(self.path)


def click_through(url: str, side: Path, process: subprocess.Popen[str]) -> int:
    """Rank by clicks until the run ends; how many clicks that took."""
    from playwright.sync_api import sync_playwright

    clicks = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(url)
        page.keyboard.press("Escape")
        before: list[str] = []
        while process.poll() is None:
            page.wait_for_timeout(100)
            if not page.locator("#tools").is_visible():
                continue
            shown = page.locator(".clips:not([hidden]) .card")
            sources = shown.evaluate_all(
                "(cards) => cards.map((c) => [c.dataset.letter, c.querySelector('video').getAttribute('src')])"
            )
            items = {letter: re.search(r"/clips/([0-9a-f]{64})/", source)[1] for letter, source in sources}
            known = json.loads(side.read_text()) if side.exists() else {}
            if sorted(items.values()) == before or not set(items.values()) <= set(known):
                continue
            before = sorted(items.values())
            order = sorted(items, key=lambda letter: -known[items[letter]])
            for place, letter in enumerate(order[:-1]):
                shown.filter(has=page.locator(f"[aria-label^='Place {letter} ']")).get_by_role(
                    "button", name=re.compile(f"^Place {letter} ")
                ).click()
                clicks += 1
                for above, under in [(order[place - 1], letter)] if place else []:
                    if known[items[above]] - known[items[under]] < 0.002:
                        page.locator(f".clips:not([hidden]) .card[data-letter='{letter}'] .equal").click()
                        clicks += 1
            page.locator("#submit").click()
            clicks += 1
        browser.close()
    return clicks


def score(run: Path, episodes: int) -> np.ndarray[Any, Any]:
    """Hidden scores of the final policy's deterministic episodes."""
    from prefrl.evaluation import Evaluator, named_policy
    from prefrl.runs import read_env
    from prefrl.settings import EnvSettings
    from prefrl_envs import scores

    env = read_env(run)
    evaluator = Evaluator(EnvSettings(id=env.id), env)
    found = evaluator.episodes(named_policy(str(run), "ppo", env), [10_000 + i for i in range(episodes)])
    evaluator.close()
    return np.array([scores.backflip(np.asarray(episode.states)) for episode in found])


def taught(folder: Path, seed: int, person: str, sets: list[str]) -> tuple[Path, int, float]:
    """(run folder, clicks, minutes) of one run with somebody who knows, or with answers at random."""
    folder.mkdir()
    rng = np.random.default_rng(seed) if person == "random" else None
    side = SideFile(folder / "runs", "backflip", folder / "side.json", rng)
    changes = [f"run.seed={seed}", "sources.human.port=0", "sources.human.browser=false", *sets]
    command = [
        sys.executable,
        "-m",
        "prefrl",
        "train",
        str(CONFIG),
        *(part for change in changes for part in ("--set", change)),
    ]
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    url = next(match[1] for line in process.stderr if (match := re.search(r"rank clips at (http\S+)", line)))
    rest = threading.Thread(target=process.stderr.read, daemon=True)
    rest.start()
    side.start()
    clicks = click_through(url, folder / "side.json", process)
    side.over.set()
    side.join()
    assert process.wait() == 0
    rest.join()
    process.stderr.close()
    return folder / "runs" / "backflip", clicks, (time.monotonic() - began) / 60


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt install chromium")
def test_a_hopper_learns_backflips_from_clicks(tmp_path: Path) -> None:
    long = bool(os.environ.get("PREFRL_LONG"))
    seeds, episodes, sets = ([0, 1, 2], 20, []) if long else ([100], 2, SMALL)
    differences = []
    for seed in seeds:
        found = {}
        for person in ("knows", "random") if long else ("knows",):
            run, clicks, minutes = taught(tmp_path / f"{person}-{seed}", seed, person, sets)
            found[person] = score(run, episodes)
            sys.stdout.write(
                f"seed {seed}, {person}: {found[person].mean():.3f} turns an episode, {clicks} clicks, {minutes:.1f} min\n"
            )
            assert clicks > 0
            assert "turned" not in (run / "config.yaml").read_text(encoding="utf-8")
            if not long:
                assert (
                    len([line for line in (run / "run_log.jsonl").read_text().splitlines() if '"preference"' in line])
                    == 2
                )
        if long:
            start = np.load(run / "episodes" / "start.npz")
            from prefrl_envs import scores

            assert found["knows"].mean() > scores.backflip(start["states"])
            assert found["knows"].mean() > found["random"].mean()
            differences.append(found["knows"] - found["random"].mean())
        shutil.rmtree(tmp_path / f"knows-{seed}" / "videos", ignore_errors=True)
    if long:
        pooled = np.concatenate(differences)
        assert pooled.mean() > 2 * pooled.std(ddof=1) / np.sqrt(len(pooled))
