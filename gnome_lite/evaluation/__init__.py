"""The loop judged where the answer is known: labelled pools, replays, rediscovery."""
