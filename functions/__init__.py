"""One folder a Lambda: its handler, its settings, and only what that Lambda alone needs."""
