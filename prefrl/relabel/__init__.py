"""The ONLY place where learned reward replaces environment reward.

SB3 steps with reward 0.0 (`rollout.recording`). `relabeller` turns recorded steps into learned reward, `scale` puts it on
one scale in every arm, `rollouts` and `replay` are SB3's buffers that ask for it: a rollout is relabelled once when it is
complete, a replay buffer when new rows are about to be sampled and as a whole after each fit. `restraint` charges
departure from the initial policy.
"""

from prefrl.relabel.relabeller import Relabeller
from prefrl.relabel.replay import RelabelDictReplayBuffer, RelabelNStepReplayBuffer, RelabelReplayBuffer
from prefrl.relabel.restraint import Restraint
from prefrl.relabel.rollouts import RelabelDictRolloutBuffer, RelabelRolloutBuffer
from prefrl.relabel.scale import RewardScale

__all__ = [
    "RelabelDictReplayBuffer", "RelabelDictRolloutBuffer", "RelabelNStepReplayBuffer", "RelabelReplayBuffer",
    "RelabelRolloutBuffer", "Relabeller", "Restraint", "RewardScale",
]  # fmt: skip
