"""A lane's turn: getting hold of it, and ending what was held. With or without a call to Claude in between."""
