"""Programs that measure what tracking costs, as ratios to an untracked table in the same run."""
