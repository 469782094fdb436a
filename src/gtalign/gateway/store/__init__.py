"""The audit store: every decision on record, and how records are found, summed and exported."""
