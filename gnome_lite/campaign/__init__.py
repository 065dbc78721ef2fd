"""The loop: its steps, their order, what they choose by and when they stop."""
