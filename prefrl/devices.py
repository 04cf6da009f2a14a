"""What `device` names comes in; a torch device that this machine has goes out, or a sentence that it has none."""

from __future__ import annotations

import torch

from prefrl.errors import EnvironmentMissing, choices

PPO_ON_GPU = (
    "run.device puts PPO on the GPU, where a network as small as its own learns slower than on the CPU; run.device: auto "
    "leaves it on the CPU and puts the reward model on the GPU."
)


def existing(wanted: str) -> str:
    """`wanted`, or what ``auto`` means here: a GPU if there is one. Raises `EnvironmentMissing` where there is none such."""
    there = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if wanted == "auto":
        return "cuda" if there else "cpu"
    if wanted == "cpu" or (wanted == "cuda" and there) or wanted in there:
        return wanted
    if there:
        raise EnvironmentMissing(
            f"run.device: this machine has no {wanted}. {choices(wanted, ['auto', 'cpu', *there])}"
        )
    build = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU build"
    raise EnvironmentMissing(
        f"run.device: {wanted} needs an NVIDIA GPU, and torch ({torch.__version__}, {build}) can use none here: set "
        "run.device: auto or cpu, or see `prefrl doctor`."
    )


def of_learner(wanted: str) -> str:
    """Where the policy goes: small policies learn faster on the CPU, so that ``auto`` puts them there."""
    return "cpu" if wanted == "auto" else existing(wanted)
