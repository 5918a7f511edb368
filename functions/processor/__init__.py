"""One item an invocation: claims a lane, asks Claude, settles. Driven by the queue or by process-next."""
