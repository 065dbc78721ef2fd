"""Progress, tables and figures of a campaign, made from records for people to read."""
