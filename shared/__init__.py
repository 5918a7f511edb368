"""What more than one function needs, a folder a capability."""
