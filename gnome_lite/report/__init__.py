"""Progress, tables and figures of a campaign: for people, from records; nothing is computed here that a verdict needs."""
