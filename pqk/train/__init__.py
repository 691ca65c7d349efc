"""Training: the only place that imports torch. `pqk.train.run` is the way in."""
