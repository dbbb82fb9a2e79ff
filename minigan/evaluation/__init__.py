"""How good are the samples? Metrics, the classifier that they use, and reports."""
