"""The vectors of tests/data/loss_vectors.json, with their inputs as the spec's generator has them."""

import json
from pathlib import Path

import pytest
import torch

from prefrl.losses import Kind, Labels, Scores


class Vectors:
    def __init__(self) -> None:
        self.expected = json.loads((Path(__file__).parents[1] / "data" / "loss_vectors.json").read_text())
        # F1: three pairs; F2: a list of four, true order 0, 2, 1, 3; F3: two prompts, the first response chosen
        self.s = self.tensor([[1.0, 0.2], [-0.5, 0.3], [0.7, 0.7]])
        self.p = self.tensor([1.0, 0.25, 0.5])
        self.list = self.tensor([[0.1, 1.2, -0.4, 0.5]])
        self.grades = self.tensor([[0.9, 0.2, 0.5, 0.1]])
        self.logp = self.tensor([[-12.0, -15.0], [-20.0, -18.0]])
        self.ref = self.tensor([[-13.0, -14.0], [-19.0, -19.5]])
        self.length = self.tensor([[10.0, 12.0], [8.0, 16.0]])

    def tensor(self, values):
        return torch.tensor(values, dtype=torch.float64)

    def pairs(self, pref=None, **rest):
        return Labels(Kind.PAIR, pref=self.p if pref is None else pref, **rest)

    def first_wins(self, n=2):
        return self.pairs(torch.ones(n, dtype=torch.float64))

    def outcomes(self):
        """First, second, tie."""
        return self.pairs(self.tensor([1.0, 0.0, 0.5]), outcome=torch.eye(3, dtype=torch.float64))

    def ranked(self, ranks=(0, 2, 1, 3)):
        return Labels(Kind.RANK, rank=torch.tensor([ranks]))

    def graded(self):
        return Labels(Kind.GRADE, grade=self.grades)

    def responses(self, **aux):
        return Scores.of(self.logp, ref_logp=self.ref, length=self.length, nll=-self.logp, **aux)

    def close(self, found, name, atol=1e-6):
        found = torch.as_tensor(found, dtype=torch.float64).detach()
        torch.testing.assert_close(found, self.tensor(self.expected[name]), atol=atol, rtol=0)


@pytest.fixture(scope="session")
def v():
    return Vectors()
