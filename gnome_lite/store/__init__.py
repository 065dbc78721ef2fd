"""The truth about what is done: a SQL store of candidates, predictions, verifications and verdicts."""
