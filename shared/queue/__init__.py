"""SQS: the queues, and dispatch to the lanes of a job."""
