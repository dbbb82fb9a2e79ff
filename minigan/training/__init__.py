"""What training scripts share: the command line, the run directory, checkpoints, sampling."""
