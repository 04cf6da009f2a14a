"""Settings and a host in, the parts of a run out: each is built here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefrl import devices
from prefrl.errors import ConfigError
from prefrl.evaluation import named_policy
from prefrl.filters.combination import check
from prefrl.fit import Trainer
from prefrl.losses import PrefLoss, build_loss
from prefrl.plugins import PluginHost
from prefrl.relabel import Relabeller, Restraint
from prefrl.rollout.environments import make
from prefrl.rollout.recording import RecordingVecEnv
from prefrl.settings import RunSettings
from prefrl.sources.panel import Panel, Seat, seat
from prefrl.specs import (
    BuildContext,
    LabelFilterSpec,
    Learner,
    LearnerContext,
    LearnerSpec,
    Needs,
    ReplaySampler,
    RewardModel,
    RewardModelSpec,
    Selector,
    SourceSpec,
)
from prefrl.store import DataSet
from prefrl.timing import Clock
from prefrl.types import EnvInfo


@dataclass(frozen=True, slots=True)
class Assembly:
    """What every part is built from."""

    settings: RunSettings
    host: PluginHost
    env: EnvInfo
    run: str
    folder: Path
    clock: Clock

    def context(self, name: str) -> BuildContext:
        """For building something under a name of its own."""
        return BuildContext(
            run=self.run,
            name=name,
            seed=self.settings.run.seed,
            env=self.env,
            device=self.device,
            folder=self.folder,
            make_env=lambda: make(self.settings.env),
            saved_policy=lambda name: named_policy(name, self.settings.algo.name, self.env),
        )

    @property
    def device(self) -> str:
        """Where reward models live: the configured device, or a GPU if there is one."""
        return devices.existing(self.settings.run.device)

    @property
    def trained(self) -> bool:
        """Whether answers change the reward model."""
        return self._reward_spec.trained

    @property
    def reward_needs(self) -> Needs:
        """What the reward model reads beyond observations and actions."""
        return self._reward_spec.needs_of(self.settings.reward.options)

    @property
    def _reward_spec(self) -> RewardModelSpec:
        spec = self.host.spec("reward_models", self.settings.reward.model)
        assert isinstance(spec, RewardModelSpec)
        return spec

    def reward_model(self) -> RewardModel:
        """The run's reward model, before any fit."""
        model: RewardModel = self._reward_spec.build(self.settings.reward.options, self.context("reward"))
        return model

    def selector(self) -> Selector:
        """What ranks proposed queries."""
        selector: Selector = self._build("selectors", self.settings.queries.selector, self.settings.queries.options)
        return selector

    def trainer(self, reward: RewardModel, stored: Iterable[str]) -> Trainer:
        """What fits `reward` to answers; refuses a loss that cannot use the kinds that are `stored` or will be given."""
        settings = self.settings.reward
        terms = [(term.coef, term.name, term.options) for term in settings.loss]
        loss = build_loss(terms, self.host.specs("losses"))
        check([self._filter_spec(chosen.name) for chosen in settings.filters], [term.options for term in settings.loss])
        if self.trained:
            loss.check(stored, self._reward_spec.aux)
            for name in self.settings.sources:
                self._check_given(loss, name)
        return Trainer(
            reward,
            loss,
            settings.fit,
            [self._build("augmentations", chosen.name, chosen.options) for chosen in settings.augment],
            [self._build("label_filters", chosen.name, chosen.options) for chosen in settings.filters],
            seed=int(self.context("fit").rng().integers(2**62)),
            unlabelled=settings.unlabelled,
        )

    def _filter_spec(self, name: str) -> LabelFilterSpec:
        spec = self.host.spec("label_filters", name)
        assert isinstance(spec, LabelFilterSpec)
        return spec

    def _check_given(self, loss: PrefLoss, name: str) -> None:
        given = self._source_spec(name).gives or {self._asked_kind}
        if not given & loss.kinds:
            loss.check(sorted(given), self._reward_spec.aux)

    def panel(self, data: DataSet) -> Panel:
        """The configured sources."""
        return Panel([self._seat(name) for name in self.settings.sources], data, self.env)

    def _seat(self, name: str) -> Seat:
        settings = self.settings.sources[name]
        return seat(name, self._source_spec(name), settings, self.context(name), self._asked_kind)

    def _source_spec(self, name: str) -> SourceSpec:
        spec = self.host.spec("sources", self.settings.sources[name].use or name)
        assert isinstance(spec, SourceSpec)
        return spec

    @property
    def _asked_kind(self) -> str:
        return {1: "binary", 2: "pair"}.get(self.settings.feedback.items, "ranking")

    def relabeller(self, reward: RewardModel, venv: RecordingVecEnv) -> Relabeller:
        """What turns `reward` of recorded steps into what the learner sees."""
        settings = self.settings.relabel
        return Relabeller(
            reward,
            self.reward_needs,
            venv.recording,
            gamma=getattr(self.settings.algo.options, "gamma", 0.99),
            scale=settings.scale,
            bonuses=[self._build("bonuses", chosen.name, chosen.options) for chosen in settings.bonus],
            clock=self.clock,
            restraint=Restraint(settings.kl) if settings.kl else None,
        )

    def learner(
        self,
        venv: RecordingVecEnv,
        relabel: Relabeller,
        *,
        seed: int,
        steps: int,
        folder: Path,
        tick: Callable[[int], None],
    ) -> Learner:
        """A fresh learner on `venv`."""
        algo = self.settings.algo
        context = LearnerContext(
            env=venv,
            relabel=relabel,
            seed=seed,
            device=devices.of_learner(self.settings.run.device),
            total_steps=steps,
            normalize=algo.normalize,
            folder=folder,
            clock=self.clock,
            tick=tick,
            sampler=self._sampler(),
        )
        learner: Learner = self.host.spec("learners", algo.name).build(algo.options, context)
        return learner

    def _sampler(self) -> ReplaySampler | None:
        algo = self.settings.algo
        spec = self.host.spec("learners", algo.name)
        if algo.replay and not (isinstance(spec, LearnerSpec) and spec.off_policy):
            raise ConfigError(
                f"algo.replay: '{algo.name}' keeps no transitions that '{algo.replay[0].name}' could choose from; use it with "
                f"sac or td3, or leave it out."
            )
        return next((self._build("replay_samplers", one.name, one.options) for one in algo.replay), None)

    def _build(self, kind: str, name: str, options: Any) -> Any:
        return self.host.spec(kind, name).build(options, self.context(f"{kind}.{name}"))
