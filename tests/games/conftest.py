"""The specification's vectors, as tests/losses reads them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch


class Vectors:
    def __init__(self) -> None:
        self.expected = json.loads((Path(__file__).parents[1] / "data" / "loss_vectors.json").read_text())

    def tensor(self, values):
        return torch.tensor(values, dtype=torch.float64)

    def close(self, found, name: str) -> None:
        found = found.detach().numpy() if isinstance(found, torch.Tensor) else np.asarray(found)
        np.testing.assert_allclose(found, np.asarray(self.expected[name]), atol=1e-6, rtol=0)


@pytest.fixture(scope="session")
def v() -> Vectors:
    return Vectors()
