"""The training loop, the loss, checkpoints."""
