"""MuJoCo tasks for `gymnasium.make("prefrl_envs:Reach-v0")`; importing this registers the ids and loads no simulator."""

import gymnasium

gymnasium.register("Reach-v0", entry_point="prefrl_envs.reach:ReachEnv", max_episode_steps=50)
gymnasium.register("Cheetah-v0", entry_point="prefrl_envs.cheetah:CheetahEnv", max_episode_steps=1000)
