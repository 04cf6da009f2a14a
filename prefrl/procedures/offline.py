"""Learning from stored answers alone: a reward model and a policy on it, or a policy fitted to the answers directly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prefrl.errors import ConfigError
from prefrl.fit import Trainer, gather
from prefrl.losses.parts import BehaviourCloning
from prefrl.losses.regularisers import build
from prefrl.procedures.learning import begin_as, learn
from prefrl.procedures.options import OfflineOptions
from prefrl.specs import Learner, PolicyTrained, RunContext
from prefrl.types import Candidate, Episode, Query, Segment

OBSERVED = 1_000  # clips that set the statistics of inputs


class Offline:
    """One fit to all answers there are; then nothing more is asked.

    With a reward model the policy learns on it for `algo.n_timesteps` (Shin et al. 2023, arXiv 2301.01392, and every
    preference loop without its loop). With `reward.model: policy` the policy is fitted to the answers and no step is
    taken: CPL with loss cpl or cpl_kl, DPO with dpo, behaviour cloning of the better clips with bc.
    """

    def __init__(self, options: OfflineOptions) -> None:
        self._options = options
        self._fitted = False

    def run(self, context: RunContext) -> None:
        if context.settings.sources:
            raise ConfigError(
                "sources: the procedure 'offline' asks nobody; leave sources out, and let them answer the data set's "
                "questions beforehand (prefrl data answer)."
            )
        learner, reward = context.learner(), context.reward
        by_policy = isinstance(reward, PolicyTrained)
        if not self._fitted:
            begin_as(learner, self._options.start, context)
            self._prepare(context, learner)
            context.evaluate(learner.policy)
            if not by_policy:
                context.pretrain()
            context.fit(round=1)
            self._fitted = True
        if not by_policy:
            learn(context, learner, context.settings.algo.n_timesteps)
        context.evaluate(learner.policy, final=True)

    def _prepare(self, context: RunContext, learner: Learner) -> None:
        """Statistics of inputs from the clips; where the policy is what is fitted, its warm start."""
        queries, reward = self._queries(context), context.reward
        if isinstance(reward, PolicyTrained):
            reward.adopt(learner.policy)
        reward.observe(_recorded(queries))
        if isinstance(reward, PolicyTrained):
            if self._options.clone:
                self._imitate(context, queries)
            reward.adopt(learner.policy)

    def _queries(self, context: RunContext) -> Mapping[str, Query]:
        answered = dict.fromkeys(p.query_id for _, p in context.data.current() if p.answer is not None)
        queries: Mapping[str, Query] = context.data.queries(answered)
        return queries

    def _imitate(self, context: RunContext, queries: Mapping[str, Query]) -> None:
        """Behaviour cloning of all that was compared, which keeps what follows near the data (Hejna et al., 4.1)."""
        steps = {"updates": self._options.clone, "epochs": self._options.clone, "patience": None, "reset": False}
        settings = context.settings.reward.fit.model_copy(update=steps)
        seed = int(context.rng("clone").integers(2**62))
        trainer = Trainer(context.reward, build(BehaviourCloning()), settings, (), (), seed)
        preferences = [preference for _, preference in context.data.current()]
        fit = trainer.fit(gather(preferences, queries, {}, context.reward, settings.validation), 0, context.step)
        context.log({"clone/loss": fit.loss})

    def state_dict(self) -> Mapping[str, Any]:
        return {"fitted": self._fitted}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._fitted = state["fitted"]


def _recorded(queries: Mapping[str, Query]) -> Sequence[Episode]:
    """At most OBSERVED clips, spread over all, as the recordings they were cut from."""
    items = list({item.id: item for query in queries.values() for item in query.items}.values())
    clips = [item.clip if isinstance(item, Candidate) else item for item in items[:: 1 + len(items) // OBSERVED]]
    return [
        Episode(clip.id, clip.obs, clip.action, factors=clip.factors) for clip in clips if isinstance(clip, Segment)
    ]
