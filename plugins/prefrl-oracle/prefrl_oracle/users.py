"""Queries come in; the answer of one simulated user each goes out, who wants something of his own and does not say what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from prefrl.errors import ConfigError, choices
from prefrl.specs import AskContext, BuildContext
from prefrl.types import Preference, Query, Segment, Tiers
from prefrl_oracle.options import UserOptions, UsersOptions
from prefrl_oracle.oracle import clip_of
from prefrl_oracle.teacher import Floats, ranks, turned_round


class Users:
    """An immediate source; which user answers depends on seed and question alone, and is the answer's group."""

    def __init__(self, options: UsersOptions, context: BuildContext) -> None:
        self.options, self.context = options, context
        entries = int(np.prod(context.env.obs_shape))
        for name, user in options.users.items():
            where = f"sources.{context.name}.users.{name}"
            for factor in user.likes:
                if factor not in context.env.factors:
                    known = choices(factor, context.env.factors)
                    raise ConfigError(f"{where}: {context.env.id} has no factor '{factor}'. {known}")
            for entry in user.reaches:
                if not 0 <= entry < entries:
                    raise ConfigError(
                        f"{where}: {context.env.id} has no observation entry {entry}; there are 0 to {entries - 1}."
                    )

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
        """Answer what is asked about reward; questions about anything else are left undecided."""
        names = sorted(self.options.users)
        for query in queries:
            if query.question != "reward":
                continue
            rng = self.context.rng("user", query.id)
            name = names[int(rng.integers(len(names)))]
            worth = np.array([utility(clip_of(item), self.options.users[name]) for item in query.items])
            worth = turned_round(worth, np.asarray(rng.random()), self.options.mistake)
            answer = Tiers.of_ranks(ranks(worth))
            yield Preference.of(query, answer, source=self.context.name, group=name, annotator=name)


def utility(clip: Segment, user: UserOptions) -> float:
    """Mean over the steps of a clip: liked factors times their worth, minus the distance from the place to reach."""
    steps: Floats = np.zeros(len(clip))
    for factor, worth in user.likes.items():
        steps += worth * np.asarray(clip.factors[factor], np.float64)
    if user.reaches:
        after = np.asarray(clip.obs[1:], np.float64).reshape(len(clip), -1)
        steps -= np.linalg.norm(after[:, list(user.reaches)] - list(user.reaches.values()), axis=1)
    return float(steps.mean())
