"""Recording of what SB3 steps: environments in, episodes with states, true reward and factors out; any VectorEnv for SB3."""
