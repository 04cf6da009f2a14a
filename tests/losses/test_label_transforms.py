import pytest
import torch

from prefrl.errors import ConfigError
from prefrl.losses import Scores
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.pairwise import build

VOTES = [[0.9, -0.2, 0.05], [1.1, -0.6, -0.1], [0.7, -0.3, 0.2], [1.3, -0.5, 0.05]]


def value(v, *label_tf):
    votes = v.tensor(VOTES).T
    s = v.tensor([[0.5, 0.0]] * 3)
    return build(BradleyTerryOptions(label_tf=label_tf))(
        Scores.of(s), v.pairs(torch.ones(3).double(), votes=votes)
    ).loss


def test_votes_vectors(v):
    v.close(v.tensor(VOTES).mean(0), "SEC2.mu")
    v.close(value(v, "flip_by_votes"), "SEC2.flip loss")
    v.close(value(v, "margin_from_votes"), "SEC2.adaptive margin (raw mu)")
    v.close(value(v, "soft_from_votes"), "SEC2.soft-label p=sig(mu)")
    v.close(value(v, "flip_by_votes", "margin_from_votes"), "SEC2.flip+margin|mu|")


def test_a_threshold_keeps_doubtful_answers(v):
    v.close(value(v, {"flip_by_votes": 0.5}), "SEC2.soft-label p=sig(mu)", atol=1)  # finite
    torch.testing.assert_close(value(v, {"flip_by_votes": 0.5}), value(v))


def test_votes_are_read_in_the_direction_of_the_answer(v):
    """Swapping the items, the answers and the votes changes nothing."""
    loss = build(BradleyTerryOptions(label_tf=["flip_by_votes", "margin_from_votes"]))
    votes = v.tensor(VOTES).T
    direct = loss(Scores.of(v.s), v.pairs(v.tensor([1.0, 1.0, 0.0]), votes=votes)).loss
    turned = loss(Scores.of(v.s.flip(1)), v.pairs(v.tensor([0.0, 0.0, 1.0]), votes=-votes)).loss
    torch.testing.assert_close(turned, direct)


def test_missing_votes_name_the_cure(v):
    with pytest.raises(ConfigError, match="need `votes` in the labels"):
        build(BradleyTerryOptions(label_tf=["soft_from_votes"]))(Scores.of(v.s), v.pairs())


def test_a_constant_margin_adds_to_the_labels_own(v):
    own = v.pairs(margin=v.tensor([0.5, 0.0, 0.0]))
    added = build(BradleyTerryOptions(label_tf=[{"margin": 0.25}]))(Scores.of(v.s), own).loss
    by_hand = build(BradleyTerryOptions())(Scores.of(v.s), v.pairs(margin=v.tensor([0.75, 0.25, 0.25]))).loss
    torch.testing.assert_close(added, by_hand)


@pytest.mark.parametrize(
    ("part", "target"),
    [
        ({"smooth_uniform": 0.2}, lambda p: 0.8 * p + 0.1),
        ({"smooth_flip": 0.2}, lambda p: 0.8 * p + 0.2 * (1 - p)),
    ],
)
def test_what_an_answer_is_taken_for_pair_by_pair(v, part, target):
    """The mean over the vectors' pairs does not tell: their differences sum to zero."""
    d, p = v.s[:, 0] - v.s[:, 1], target(v.p)
    expected = p * torch.nn.functional.softplus(-d) + (1 - p) * torch.nn.functional.softplus(d)
    found = build(BradleyTerryOptions(label_tf=[part]))(Scores.of(v.s), v.pairs()).per_example
    torch.testing.assert_close(found, expected)
