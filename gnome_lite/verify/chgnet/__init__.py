"""CHGNet: an exact, faster forward pass, its weights, features and fine-tuning."""
