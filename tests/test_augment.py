"""Crops stay inside, remove the same number of steps from every item of a query, and reach every place."""

from __future__ import annotations

import torch

from prefrl.augment import Crop, Shorten
from prefrl.rewards.options import CropOptions, ShortenOptions
from prefrl.specs import BuildContext
from prefrl.types import EnvInfo

CONTEXT = BuildContext(run="r", name="augment", seed=0, env=EnvInfo("Toy-v0", (1,), (1,)))


def windows(lengths: torch.Tensor, steps: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    return Crop(CropOptions(steps=steps), CONTEXT).windows(lengths, torch.Generator().manual_seed(0))


def test_windows_stay_inside_and_share_their_length() -> None:
    lengths = torch.full((4000, 2), 10)
    start, length = windows(lengths)
    assert (start >= 0).all()
    assert (start + length <= lengths).all()
    assert (length[:, 0] == length[:, 1]).all()
    assert sorted(set(length.flatten().tolist())) == [4, 5, 6, 7, 8, 9, 10]  # 0 to 2 * 3 steps are cut
    assert (start[:, 0] != start[:, 1]).any()
    shortest = start[length == 4]
    assert sorted(set(shortest.tolist())) == [0, 1, 2, 3, 4, 5, 6]


def test_at_least_one_step_of_a_short_clip_is_left() -> None:
    lengths = torch.tensor([[10, 2], [1, 3]]).repeat(200, 1)
    start, length = windows(lengths)
    assert (length >= 1).all()
    assert (start + length <= lengths).all()


def test_no_steps_to_cut_changes_nothing() -> None:
    lengths = torch.tensor([[10, 7]])
    start, length = windows(lengths, steps=0)
    assert start.tolist() == [[0, 0]]
    assert length.tolist() == [[10, 7]]


def test_qpas_crops_have_35_to_45_of_50_steps_the_same_number_in_a_pair() -> None:
    lengths = torch.full((4000, 2), 50)
    start, length = Shorten(ShortenOptions(), CONTEXT).windows(lengths, torch.Generator().manual_seed(0))
    assert sorted(set(length.flatten().tolist())) == list(range(35, 46))
    assert (length[:, 0] == length[:, 1]).all()
    assert (start[:, 0] != start[:, 1]).any()
    assert (start + length <= lengths).all()
    assert (start + length == lengths).any()


def test_clips_shorter_than_the_crop_stay_whole() -> None:
    start, length = Shorten(ShortenOptions(), CONTEXT).windows(
        torch.tensor([[20, 50]]), torch.Generator().manual_seed(0)
    )
    assert (int(start[0, 0]), int(length[0, 0])) == (0, 20)
