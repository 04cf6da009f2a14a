"""What the vectors say of the steps between scores and loss: orders, places, reference points, votes that are overruled."""

from __future__ import annotations

import torch

from prefrl.losses import Scores, relevance
from prefrl.losses.label_transforms import build_label_transform
from prefrl.losses.labels import Kind, Labels
from prefrl.losses.links import build_link
from prefrl.losses.options import BradleyTerryOptions, KtoOptions
from prefrl.losses.pairs import to_pairs
from prefrl.losses.part import Part
from prefrl.losses.parts import FlipByVotes
from prefrl.losses.pointwise import kto

VOTES = [[0.9, -0.2, 0.05], [1.1, -0.6, -0.1], [0.7, -0.3, 0.2], [1.3, -0.5, 0.05]]


def test_grades_order_a_list(v):
    good, _ = relevance(v.graded(), torch.ones(1, 4, dtype=torch.bool))
    v.close(good.argsort(descending=True)[0], "PL.order(best->worst)")
    v.close(v.list.argsort(descending=True).argsort()[0] + 1, "LiPO.rank tau")


def test_votes_that_overrule(v):
    v.close(v.tensor(VOTES).std(0, correction=0), "SEC2.std(ddof=0)")
    labels = v.pairs(torch.ones(3).double(), votes=v.tensor(VOTES).T)
    pairs = to_pairs(labels, torch.ones(3, 2, dtype=torch.bool))
    flipped = build_label_transform(Part("flip_by_votes", FlipByVotes()))(pairs, labels)
    v.close(1 - flipped.p, "SEC2.flip_mask")


def test_three_outcomes_are_all_there_are(v):
    link = build_link(BradleyTerryOptions(link="rao_kupper").link)
    v.close(link.log_probs(v.s[:, 0], v.s[:, 1]).exp().sum(1), "RK.nu=3 sumP")


def test_the_reference_point_of_kto_is_the_mean_of_other_answers_above_zero(v):
    def loss(kl):
        scores = Scores.of(v.tensor([[1.0], [-1.0]]), ref_logp=v.tensor([[0.0], [0.0]]), kl_logratio=v.tensor(kl))
        return kto(KtoOptions())(scores, Labels(Kind.BINARY, binary=v.tensor([[1.0], [0.0]]))).loss

    torch.testing.assert_close(loss([0.5, -0.2, 0.3, 0.2]), loss([v.expected["KTO.z0"]]))
    torch.testing.assert_close(loss([-3.0]), loss([0.0]))
