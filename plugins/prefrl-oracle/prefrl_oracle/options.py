"""What can be set of the oracle."""

from __future__ import annotations

from pydantic import Field

from prefrl.options import Options


class OracleOptions(Options):
    """How rational the oracle is."""

    beta: float | None = Field(
        None,
        gt=0,
        description="P(a beats b) = sigmoid(beta * (return of a - return of b)), returns being undiscounted sums over the "
        "clip in the reward's own units (the cost's, for questions about a cost): 1/beta is the difference that it gets "
        "right 73% of the time; null: never errs",
    )
