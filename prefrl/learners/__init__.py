"""What trains a policy: Stable-Baselines3 algorithms on the learned reward; one file per family."""
