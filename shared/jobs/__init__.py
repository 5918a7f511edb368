"""Pure rules of a job: the ledger, its transitions, what an item is, retry decisions, progress. No AWS, no SDK."""
