"""One run: settings and a host in, a run folder out. It is the `RunContext` that procedures are given."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from prefrl import checkpoints, config, devices
from prefrl.agreement import by_source
from prefrl.alignment import Watch
from prefrl.errors import ConfigError
from prefrl.fit import Answers, gather
from prefrl.losses import kinds_of
from prefrl.plugins import PluginHost
from prefrl.procedures.assembly import Assembly
from prefrl.procedures.evaluations import Evaluations
from prefrl.procedures.run_log import RunLog
from prefrl.progress import Progress
from prefrl.pseudo import Unjudged, unjudged
from prefrl.queries.proposals import select
from prefrl.rendering import render_clips
from prefrl.rollout.termination import sentence
from prefrl.rollout.vectorised import information, record
from prefrl.runs import RunFolder, manifest, metrics_hash, read_manifest
from prefrl.segments import SegmentPool
from prefrl.settings import RunSettings
from prefrl.sources.panel import Seat
from prefrl.specs import (
    AskContext,
    BuildContext,
    Desk,
    Learner,
    Policy,
    RewardModel,
    RunSummary,
    named_rng,
)
from prefrl.store import DataSet, open_store
from prefrl.timing import Clock
from prefrl.types import EnvInfo, Episode, Evaluation, Preference, Query, RewardFit, Segment

log = logging.getLogger(__name__)

OBSERVED_STEPS = 10_000  # recent steps that set the reward model's input and output statistics


class Run:
    """Everything one run holds. What lives across steps has a state, what happens is written to the run folder."""

    def __init__(
        self, settings: RunSettings, host: PluginHost, folder: Path | None, command: str, *, resume: bool = False
    ) -> None:
        torch.set_num_threads(1)  # `Clock` raises it where that pays
        devices.existing(settings.run.device)  # before anything is written
        self.settings, self._host = settings, host
        self.env: EnvInfo = information(settings.env)
        self.clock = Clock(settings.run.threads)
        wanted = folder or Path("runs") / settings.run.name
        self._store = open_store(settings.store.url, wanted.parent)
        if resume:
            self._folder = RunFolder.reopen(wanted)
            self._manifest = read_manifest(wanted)
            self.name = self._manifest["run"]
        else:
            self.name, path = self._free_name(wanted, given=folder is not None)
            self._folder = RunFolder.create(path)
            self._folder.replace("config.yaml", config.dump(settings))
            self._folder.replace("command.txt", command + "\n")
            plugins = [{"name": r.name, "distribution": r.distribution, "version": r.version} for r in host.records]
            self._manifest = manifest(settings, self.env, self.name, plugins)
            self._folder.replace_json("manifest.json", self._manifest)
        self.data: DataSet = self._store.data_set(settings.store.data_set or self.name, self.env)
        self._log = RunLog(self.data, self._folder)
        self._answers: Answers | None = None
        self._fits = 0
        self._procedure = host.spec("procedures", settings.procedure.name).build(settings.procedure.options)
        self._parts = parts = Assembly(settings, host, self.env, self.name, self._folder.path, self.clock)
        self.reward: RewardModel = parts.reward_model()
        self._selector, self._trainer, self._panel = (
            parts.selector(),
            parts.trainer(self.reward, kinds_of(preference for _, preference in self.data.current())),
            parts.panel(self.data),
        )
        keep = settings.queries.window
        self._venv = record(
            settings.env, self.env, seed=settings.run.seed, name="run", keep=keep and max(keep, OBSERVED_STEPS)
        )
        self._relabel = parts.relabeller(self.reward, self._venv)
        self._evaluations = Evaluations(settings, self.env, self._folder, self.rng)
        self._progress = Progress(self.name, settings.algo.n_timesteps, settings.feedback.total if self.asks else 0)
        self._learner: Learner | None = None
        self._check_answers()
        if resume:
            self._resume()

    def _check_answers(self) -> None:
        if self._parts.trained and not self.asks and not self.data.current():
            raise ConfigError(
                f"sources: reward.model '{self.settings.reward.model}' learns from answers, but there is no source and data "
                f"set '{self.data.name}' holds none; add a source, e.g. `sources: {{oracle: {{}}}}`."
            )
        if self._parts.trained and self.settings.feedback.total == 0 and not self.data.current():
            raise ConfigError(
                f"feedback.total: 0 answers may be asked for and data set '{self.data.name}' holds none, so there is nothing "
                f"to learn from; raise it."
            )

    def _free_name(self, wanted: Path, *, given: bool) -> tuple[str, Path]:
        """The wanted name, or with a number behind it where a run or a data set already has it."""
        taken = {summary.name for summary in self._store.data_sets()}
        own = self.settings.store.data_set is None
        if given:
            return wanted.name, wanted
        name, n = wanted.name, 1
        while (wanted.parent / name).exists() or (own and name in taken):
            n += 1
            name = f"{wanted.name}-{n}"
        return name, wanted.parent / name

    def build_context(self, name: str) -> BuildContext:
        return self._parts.context(name)

    # --- what a procedure sees -------------------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        return self._folder.path

    @property
    def step(self) -> int:
        return self._venv.recording.steps

    @property
    def asks(self) -> bool:
        """Whether there is a model to fit and somebody to ask."""
        return self._parts.trained and len(self.settings.sources) > 0

    @property
    def pool(self) -> SegmentPool:
        recording = self._venv.recording
        return SegmentPool([track.view() for track in recording.tracks], recording.steps, recording.n_envs)

    def rng(self, *path: str | int) -> np.random.Generator:
        return named_rng(self.settings.run.seed, *path)

    def learner(self, seed: int | None = None) -> Learner:
        if self._learner is None:
            seed = self.settings.run.seed if seed is None else seed
            steps = self.settings.algo.n_timesteps
            self._learner = self._parts.learner(
                self._venv, self._relabel, seed=seed, steps=steps, folder=self.folder, tick=self._progress.step
            )
        return self._learner

    def pretrain(self) -> None:
        settings = self.settings.pretrain
        if settings is not None and settings.steps:
            pretrainer = self._host.spec("pretrainers", settings.name).build(settings.options)
            with self.clock.phase("collect"):
                pretrainer.run(self, settings.steps)

    @contextmanager
    def rewarded_by(self, reward: RewardModel) -> Iterator[None]:
        with self._relabel.using(reward):
            yield

    def select(self, n: int, round: int) -> Sequence[Query]:
        with self.clock.phase("ask"):
            self.reward.observe(self._venv.recording.recent(OBSERVED_STEPS))
            identity = (
                f"{self.settings.run.name}/{self.settings.run.seed}"  # not the folder: a repeated run asks the same
            )
            return select(
                self.pool, self._selector, self.reward, n,
                run=identity, round=round, feedback=self.settings.feedback, queries=self.settings.queries,
                rng=self.rng("select", round), asked=self._log.queries.values(),
            )  # fmt: skip

    def ask(self, queries: Sequence[Query], round: int) -> Sequence[Preference]:
        with self.clock.phase("ask"):
            self._log.asked(queries, self.step)
            answers = self._panel.ask(queries, lambda seat: self._ask_context(seat, round))
        self._host.emit("preferences", self, answers)
        return answers

    def _ask_context(self, seat: Seat, round: int) -> AskContext:
        wanted = "policy" in seat.needs or seat.hindsight is not None
        policy = self._learner.policy if self._learner is not None and wanted else None
        pool = self.pool if "pool" in seat.needs else None
        return AskContext(self.step, round, self.rng("sources", seat.name, round), policy, pool)

    def fit(self, round: int) -> RewardFit | None:
        if not self._parts.trained:
            return None
        with self.clock.phase("fit"):
            preferences = self._log.look(self._fits, self.step)
            if not any(p.outcome == "answered" for p in preferences):
                return None
            watch = None
            if self.step:
                recent = self._venv.recording.recent(OBSERVED_STEPS)
                watch = Watch(self.reward, recent)
                self.reward.observe(recent)
            self._answers = self._gathered()
            fit = self._trainer.fit(self._answers, round, self.step, self._unjudged())
            if watch is not None:
                fit = replace(fit, metrics={**fit.metrics, **watch.metrics(self._log.queries.values(), self.env)})
            self._relabel.refresh()
        self._fits += 1
        self._folder.append("fits.jsonl", fit)
        self._progress.labels(len(preferences), fit.accuracy)
        self.log({
            "reward_model/loss": fit.loss,
            "reward_model/accuracy": fit.accuracy,
            "reward_model/val_accuracy": fit.val_accuracy,
            "pref/n_labels": len(preferences),
            "pref/n_skipped": sum(p.outcome == "skip" for p in preferences),
        })  # fmt: skip
        self._host.emit("reward_trained", self, fit)
        return fit

    def _gathered(self) -> Answers:
        """The current answers as the trainer takes them."""
        validation = self.settings.reward.fit.validation
        distrusted = self._panel.distrusted()
        preferences = [p for p in self._log.current.values() if (p.source, p.annotator) not in distrusted]
        return gather(preferences, self._log.queries, self._panel.weights, self.reward, validation)

    def _unjudged(self) -> Unjudged | None:
        """Pairs of clips for pseudo-labels, if they are wanted and there is something to draw from."""
        wanted = self.settings.reward.unlabelled
        if wanted is None or not self.step:
            return None
        pool, rng = self.pool, self.rng("unlabelled", self._fits)
        cuts = pool.sample(2 * wanted.pairs, self.settings.feedback.segment, rng, self.settings.queries.window)
        return unjudged([pool.segment(cut) for cut in cuts], self.reward)

    def collect(self, policy: Policy, episodes: int, seed: int) -> Sequence[Episode]:
        return self._evaluations.evaluator.episodes(policy, [seed + i for i in range(episodes)])

    def evaluate(self, policy: Policy, final: bool = False) -> Evaluation:
        with self.clock.phase("evaluate"):
            compared = self._parts.trained and self.reward.version and self.step
            evaluation = self._evaluations.of(
                policy, self.reward, self.pool if compared else None,
                step=self.step, preferences=len(self._log.current), final=final,
            )  # fmt: skip
        values = {"eval/mean_reward": evaluation.mean_return, "eval/mean_ep_length": float(np.mean(evaluation.length))}
        if evaluation.success is not None:
            values["eval/success_rate"] = float(np.mean(evaluation.success))
        self.log(values)
        self._progress.evaluated(evaluation)
        self._host.emit("policy_evaluated", self, evaluation)
        return evaluation

    def train_policy(self, reward: RewardModel, seed: int, steps: int) -> Policy:
        folder = self.folder / "policies" / f"{reward.version}-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        venv = record(self.settings.env, self.env, seed=seed, name=f"policy-{seed}", keep=OBSERVED_STEPS)
        relabel = self._parts.relabeller(reward, venv)
        learner = self._parts.learner(venv, relabel, seed=seed, steps=steps, folder=folder, tick=lambda _: None)
        learner.advance(steps)
        learner.close()
        return learner.policy

    def render(self, segments: Sequence[Segment]) -> Sequence[Path]:
        settings = self.settings.render
        paths = [Path("videos") / self.name / f"{segment.id}.mp4" for segment in segments]
        render_clips(
            segments, paths, env_kwargs=self.settings.env.kwargs, size=settings.size, camera=settings.camera,
            draw=lambda segment, size, camera: self._host.answer("render_segment", segment=segment, size=size, camera=camera),
        )  # fmt: skip
        return paths

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        return map(function, items)

    def checkpoint(self) -> None:
        with self.clock.phase("checkpoint"):
            folder = self._folder.path / "checkpoints"
            folder.mkdir(exist_ok=True)
            if self._learner is not None:
                self._learner.save(folder / f"rl_model_{self.step}_steps.zip")
            checkpoints.write(folder, self.step, self.state_dict(), self.settings.checkpoint.keep)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on but what the data set holds."""
        learner = self._learner
        return {
            "parts": {name: checkpoints.state_of(part) for name, part in self._stateful().items()},
            "relabel": self._relabel.state_dict(),
            "environments": self._venv.state_dict(self._relabel.tracks()),
            "learner": learner.state_dict() if learner is not None else None,
            "fits": self._fits,
            "generators": checkpoints.generators(),
        }

    def _stateful(self) -> dict[str, object]:
        """Parts that are restored without the help of others."""
        return {
            "clock": self.clock, "files": self._folder, "log": self._log, "panel": self._panel, "reward": self.reward,
            "trainer": self._trainer, "selector": self._selector, "procedure": self._procedure,
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> bool:
        """Whether the run goes on exactly; if not, it does so at the beginning of new episodes."""
        for name, part in self._stateful().items():
            checkpoints.restore(part, state["parts"][name])
        self._fits = state["fits"]
        tracks, exact = self._venv.load_state_dict(state["environments"])
        if state["learner"] is not None:
            learned = state["learner"] if exact else {**state["learner"], "episode": None}
            self.learner().load_state_dict(learned)
        self._relabel.load_state_dict(state["relabel"], tracks)
        if not exact:
            self._relabel.interrupt()
            self._venv.seed(int(self.rng("resume", self.step).integers(2**31)))
        checkpoints.set_generators(state["generators"])
        return exact

    def _resume(self) -> None:
        """Go on from the last whole checkpoint, or from the beginning where there is none."""
        self._log.repeat()
        state = checkpoints.newest(self.folder / "checkpoints")
        exact = self.load_state_dict(state) if state is not None else True
        if state is None:
            self._folder.load_state_dict({})
        else:
            self._answers = self._gathered() if self._fits else None
            self._evaluations.recall()
        if not exact:
            log.warning(
                "%s: this environment's state cannot be saved; resumed at the beginning of new episodes.", self.name
            )
        resumed = [*self._manifest.get("resumed", []), {"step": self.step, "exact": exact}]
        self._manifest |= {"status": "running", "resumed": resumed}
        self._folder.replace_json("manifest.json", self._manifest)

    def execute(self) -> Path:
        """Run the procedure to its end; however it ends, the folder says so and observers hear of it."""
        try:
            self._panel.open(self._desk())
            self._procedure.run(self)
            self._save_results()
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            with suppress(OSError):  # a full disk is likely what ended the run: its own error is the one to report
                self._end("interrupted" if interrupted else "failed", str(error) or type(error).__name__)
                log.warning("%s stopped; to go on: prefrl train --resume %s", self.name, self.folder)
            raise
        self._end("ok", "")
        return self.folder

    def _desk(self) -> Desk:
        settings = self.settings
        return Desk(
            settings.store.url, self.folder.parent, self.data.name, settings.feedback.total,
            settings.env.kwargs, settings.render.size, settings.render.camera,
        )  # fmt: skip

    def _save_results(self) -> None:
        assert self._learner is not None
        self._learner.save(self.folder / "model.zip")
        torch.save(self.reward.state_dict(), self.folder / "reward_model.pt")
        if self._answers is not None:
            self._folder.replace_json("calibration.json", self._trainer.calibration(self._answers))
            answers = by_source(self._log.current.values(), self._log.queries)
            self._folder.replace_json("sources.json", {"answers": answers})
        self._evaluations.save_results()

    def _end(self, status: Literal["ok", "failed", "interrupted"], error: str) -> None:
        self._progress.close()
        timing = self.clock.report()
        summary = RunSummary(status, self.step, len(self._log.current), self._evaluations.last, error, timing)
        self._manifest |= {"status": status, "finished": time.time(), "error": error, "steps": self.step}
        self._manifest["termination"] = sentence(self.settings.env.termination, self._venv.recording.endings)
        self._manifest["gradient_steps"] = self._learner.updates if self._learner is not None else 0
        self._manifest["metrics"] = metrics_hash(self.folder)
        self._folder.replace_json("timing.json", timing)
        self._folder.replace_json("manifest.json", self._manifest)
        self._host.emit("run_ended", self, summary)
        self._panel.close()
        if self._learner is not None:
            self._learner.close()
        self._evaluations.evaluator.close()
        self._venv.close()
        self._store.close()
        self._folder.close()

    def log(self, values: Mapping[str, float]) -> None:
        if self._learner is not None:
            self._learner.log(values)
