import numpy as np


def reward(obs, action, next_obs, factors):
    return obs[:, 0] - 0.1 * np.sum(action**2, axis=1), {"start": obs[:, 0]}
