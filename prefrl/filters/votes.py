"""Answers about pairs in, the same with the votes of models that never saw them out; the loss says what votes are for.

`label_tf` of a pair loss turns votes into flips (`flip_by_votes`), soft labels (`soft_from_votes`) or adaptive margins
(`margin_from_votes`). A model that was fitted to a wrong answer explains it, so that its own vote says little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from prefrl.errors import ConfigError
from prefrl.filters.options import VotesOptions
from prefrl.losses import Kind, Labels
from prefrl.specs import BuildContext, FilterContext

SURE = 0.99  # what an answer counts for while there are too few to leave a fold out


class Votes:
    """Cross-fitting: a fold's answers are voted on by members fitted to the other folds, with the plain logistic loss.

    A vote is the difference of the two scores as one member sees it. What is held out of every fit is voted on by the mean
    over the folds. Until there are two answers per fold, votes agree with the answers.
    """

    def __init__(self, options: VotesOptions, context: BuildContext) -> None:
        self._folds = options.folds

    def apply(self, labels: Labels, context: FilterContext) -> Labels:
        if labels.kind is not Kind.PAIR or labels.pref is None:
            raise ConfigError(
                f"reward.filters: votes are cast on answers about pairs, and these are of kind '{labels.kind}'; ask about two "
                f"clips (feedback.items: 2) or take the filter out."
            )
        members, size = context.scores.shape[:2]
        learned = torch.nonzero(context.training).squeeze(-1)
        if len(learned) < 2 * self._folds:
            votes = torch.logit((1 - SURE) + labels.pref.to(context.scores) * (2 * SURE - 1))
            return replace(labels, votes=votes.unsqueeze(1).expand(size, members).clone())
        votes = context.scores.new_zeros(size, members)
        for fold in range(self._folds):
            others = learned[torch.arange(len(learned), device=learned.device) % self._folds != fold]
            scores = context.refit(others)
            apart = (scores[..., 0] - scores[..., 1]).T
            mine = learned[fold :: self._folds]
            votes[mine] = apart[mine]
            votes[~context.training] += apart[~context.training] / self._folds
        return replace(labels, votes=votes)

    def state_dict(self) -> Mapping[str, Any]:
        """Votes are cast anew at each fit."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore."""
