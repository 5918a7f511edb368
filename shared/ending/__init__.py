"""The end of a job's generation: the final status, and the word of it."""
