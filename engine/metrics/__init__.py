"""What Prometheus sees: every name and its meaning, a file for each subject."""

from engine.metrics.all import Metrics as Metrics
