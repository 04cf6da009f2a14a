import math

import pytest
import torch
from pydantic import ValidationError

from prefrl.losses import Kind, Labels, Scores, relational
from prefrl.losses.options import BradleyTerryOptions, CostSignOptions, PreferenceMatrixOptions, TripletOptions
from prefrl.losses.pairwise import build

CYCLE = [[0.5, 0.8, 0.2], [0.2, 0.5, 0.9], [0.8, 0.1, 0.5]]  # row beats column


def embedded(v):
    """The preferred at squared distance .4, the other at .42."""
    z = torch.zeros(1, 3, 2, dtype=torch.float64)
    z[0, 1, 0], z[0, 2, 1] = math.sqrt(0.4), math.sqrt(0.42)
    return Scores.of(torch.zeros(1, 3).double(), embed=z)


@pytest.mark.parametrize(
    ("link", "vector"),
    [({"hinge": 0.05}, "QDHF.triplet m=.05 dp=.4 dn=.42"), ("logistic", "QDHF.bt_similarity dp=.4 dn=.42")],
)
def test_similarity_vectors(v, link, vector):
    labels = Labels(Kind.SIMILARITY, pref=torch.ones(1).double())
    v.close(relational.triplet(TripletOptions(link=link))(embedded(v), labels).loss, vector)


def test_similarity_accuracy(v):
    labels = Labels(Kind.SIMILARITY, pref=torch.zeros(1).double())
    out = relational.triplet(TripletOptions(link="logistic"))(embedded(v), labels)
    assert out.metrics.means()["acc"] == 0
    predicted, _, _ = relational.triplet(TripletOptions(link="logistic")).probabilities(embedded(v), labels)
    torch.testing.assert_close(predicted, torch.sigmoid(v.tensor([0.02])))


def test_triplets_have_no_ties():
    with pytest.raises(ValidationError, match="use hinge or logistic"):
        TripletOptions(link="davidson")


def test_costs_of_an_unsafe_and_a_safe_item(v):
    s = -v.tensor([[0.8, -0.3]])
    both = Labels(Kind.PAIR, pref=v.tensor([0.0]), binary=v.tensor([[0.0, 1.0]]))
    loss = relational.cost_sign(CostSignOptions())
    v.close(loss(Scores.of(s), both).loss, "COST.loss c_unsafe=.8,c_safe=-.3")
    pair = loss(Scores.of(s), Labels(Kind.PAIR, pref=v.tensor([0.0]))).loss
    sign = loss(Scores.of(s), Labels(Kind.BINARY, binary=v.tensor([[0.0, 1.0]]))).loss
    v.close(pair + sign, "COST.loss c_unsafe=.8,c_safe=-.3")


def test_a_cycle_defeats_scores_and_not_a_preference_model(v):
    """Bradley-Terry learns nothing from rock, paper, scissors; a model of the matrix reaches its entropy."""
    pairs = [(0, 1), (0, 2), (1, 2)]
    target = v.tensor([CYCLE[i][j] for i, j in pairs])
    labels = Labels(Kind.PAIR, pref=target)

    def fitted(parameters, scores):
        descent = torch.optim.LBFGS([parameters], max_iter=200, line_search_fn="strong_wolfe")
        loss, given = scores()

        def closure():
            descent.zero_grad()
            value = loss(given(), labels).loss
            value.backward()
            return value.detach()

        descent.step(closure)
        return loss(given(), labels).metrics.means()["nll"]

    theta = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    index = torch.tensor(pairs)
    found = fitted(theta, lambda: (build(BradleyTerryOptions()), lambda: Scores.of(theta[index])))
    v.close(found, "CYCLE.BT best mean NLL")

    f = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    matrix = relational.preference_matrix(PreferenceMatrixOptions())

    def given():
        return Scores.of(torch.zeros(3, 2).double(), pref_logit=f[index.unsqueeze(2), index.unsqueeze(1)])

    v.close(fitted(f, lambda: (matrix, given)), "CYCLE.entropy (attainable NLL)")
    predicted, _, _ = matrix.probabilities(given(), labels)
    torch.testing.assert_close(predicted, target, atol=1e-4, rtol=0)
