"""MuJoCo tasks for `gymnasium.make("prefrl_envs:Reach-v0")`; importing this registers the ids and loads no simulator."""

import gymnasium

gymnasium.register("Reach-v0", entry_point="prefrl_envs.reach:ReachEnv", max_episode_steps=50)
gymnasium.register("ArmPush-v0", entry_point="prefrl_envs.armpush:ArmPushEnv", max_episode_steps=50)
gymnasium.register("PointMaze-v0", entry_point="prefrl_envs.pointmaze:PointMazeEnv", max_episode_steps=50)
gymnasium.register("Cheetah-v0", entry_point="prefrl_envs.cheetah:CheetahEnv", max_episode_steps=1000)
gymnasium.register("PlanarHopper-v0", entry_point="prefrl_envs.hopper:HopperEnv", max_episode_steps=500)
gymnasium.register("Walker-v0", entry_point="prefrl_envs.walker:WalkerEnv", max_episode_steps=500)
gymnasium.register("HopperBackflip-v0", entry_point="prefrl_envs.backflip:HopperBackflipEnv", max_episode_steps=250)
