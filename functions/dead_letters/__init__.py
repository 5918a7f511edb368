"""What the queue gave up: sent again while its item has attempts left, settled otherwise, so that the job ends."""
