"""Users with opposite goals on PointMaze: one reward for all, one for each, and a policy that goes where its user wants.

``python docs/results/users.py --seeds 0 1 2 3 4 --folder runs/users --out docs/results/users/maze.json``

40 users answer 12 questions each about clips of drifting random actions, half of them wanting to be as far left as the
yellow pad and half as far right as the green one. ``shared`` is an ensemble fitted to all answers, ``users`` the reward model
of that name. Ten users who were never heard before then answer 8 questions each; accuracy is over 40 more of each. The policy
is trained once, by configs/users/maze.yaml, and serves two of the new users for 20 episodes each on seeds 10000 + i: where
it ends.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from offline import clips, fitted

from prefrl import config
from prefrl.evaluation import FIRST_SEED, final_policy
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.pairwise import build
from prefrl.plugins import PluginHost
from prefrl.policies import ForUser
from prefrl.procedures import train
from prefrl.rewards.users import UserReward
from prefrl.rollout.environments import flat, make
from prefrl.settings import EnvSettings, FitSettings
from prefrl.specs import BuildContext, RewardModel
from prefrl.store import open_store
from prefrl.types import EnvInfo, Preference, Query, Segment, Tiers
from prefrl_oracle.options import UserOptions
from prefrl_oracle.users import utility

TASK = EnvSettings(id="prefrl_envs:PointMaze-v0", user=2)
CONFIG = Path("configs/users/maze.yaml")
PLACES = {"left": -0.78, "right": 0.78}  # x in m; with y they would agree on the middle corridor
STEPS, USERS, ANSWERS, NEW, HEARD, TESTED = 15, 40, 12, 10, 8, 40
Told = list[tuple[Query, Preference]]


def goal(user: int) -> str:
    """Every other user wants the other side."""
    return list(PLACES)[user % 2]


def said(name: str, place: str, pieces: Sequence[Segment], rng: np.random.Generator, n: int) -> Told:
    """What one user answers to `n` questions about random clips."""
    wants = UserOptions(reaches={0: PLACES[place]})
    told = []
    for i in range(n):
        one, other = (pieces[int(k)] for k in rng.choice(len(pieces), 2, replace=False))
        query = Query.of(name, i, [one, other])
        tiers = ((0,), (1,)) if utility(one, wants) > utility(other, wants) else ((1,), (0,))
        told.append((query, Preference.of(query, Tiers(tiers), source="users", annotator=name, group=name)))
    return told


def right(reward: RewardModel, told: Told, group: str | None) -> list[bool]:
    """Of each answer, whether the learned return orders the two clips alike."""
    returns = [reward.returns(query.items, group).mean(0) for query, _ in told]
    return [
        bool(r.argmax() == p.answer.tiers[0][0])
        for r, (_, p) in zip(returns, told, strict=True)
        if isinstance(p.answer, Tiers)
    ]


def trained(seed: int, told: Told, info: EnvInfo, folder: Path) -> tuple[UserReward, Any]:
    """The reward and the policy of a run of CONFIG on these answers."""
    folder.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{(folder / 'answers.sqlite').absolute()}"
    with open_store(url, folder) as store:
        data = store.data_set("answers", info)
        data.add_queries([query for query, _ in told])
        for _, answer in told:
            data.add(answer)
    host = PluginHost.from_environment()
    tree = config.read(CONFIG, [f"run.seed={seed}", f"store.url={url}", "store.data_set=answers"])
    settings = config.resolve(tree, host)
    run = train(settings, host, folder / "run", "docs/results/users.py")
    context = BuildContext("users", "reward", seed, info)
    reward = UserReward(settings.reward.options, context)  # type: ignore[arg-type]  # those of model users
    reward.load_state_dict(torch.load(run / "reward_model.pt", weights_only=False))
    return reward, final_policy(run, "ppo")


def ends(policy: ForUser, place: str) -> dict[str, float]:
    """Where 20 episodes end: mean distance from the user's side (m), and the share that ends nearer to it than to the other."""
    env, found = make(TASK), []
    for seed in range(FIRST_SEED, FIRST_SEED + 20):
        obs, _ = env.reset(seed=seed)
        over = False
        while not over:
            obs, _, terminated, truncated, _ = env.step(policy.act(flat(env.observation_space, obs)[None])[0])
            over = terminated or truncated
        found.append({name: abs(float(obs[0]) - where) for name, where in PLACES.items()})
    other = next(name for name in PLACES if name != place)
    nearer = [each[place] < each[other] for each in found]
    return {"distance": float(np.mean([each[place] for each in found])), "nearer": float(np.mean(nearer))}


def measured(seed: int, folder: Path) -> dict[str, Any]:
    """One row."""
    pieces, info = clips(TASK, 300, seed, STEPS)
    unseen, _ = clips(TASK, 300, 10_000 + seed, STEPS)
    rng = np.random.default_rng(seed)
    told = [each for u in range(USERS) for each in said(f"user-{u}", goal(u), pieces, rng, ANSWERS)]
    reward, policy = trained(seed, told, info, folder / str(seed))
    fit = FitSettings(epochs=60, batch_size=64, steps=5, learning_rate=3e-3, validation=0.0, stop_accuracy=None)
    loss = build(BradleyTerryOptions())
    shared, _ = fitted([p for _, p in told], [q for q, _ in told], info, loss, (), fit, seed)
    pooled, own, latents, served = [], [], {}, {}
    for u in range(NEW):
        name, place = f"new-{u}", goal(u)
        heard = said(name, place, unseen, rng, HEARD)
        tested = said(f"{name}-later", place, unseen, rng, TESTED)
        reward.latents[name] = latent = reward.latent(heard)
        pooled += right(shared, tested, None)
        own += right(reward, tested, name)
        latents[f"{name} ({place})"] = latent.round(3).tolist()
        if u < len(PLACES):
            served[place] = ends(ForUser(policy, latent), place)
    accuracy = {"shared": round(float(np.mean(pooled)), 4), "users": round(float(np.mean(own)), 4)}
    return {"seed": seed, "accuracy": accuracy, "ends": served, "latents": latents}


def main() -> None:
    """Write every row as JSON and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rows = []
    for seed in given.seeds:
        rows.append(measured(seed, given.folder))
        print(json.dumps(rows[-1]), flush=True)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(
        json.dumps({"users": USERS, "answers": ANSWERS, "heard": HEARD, "rows": rows}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
