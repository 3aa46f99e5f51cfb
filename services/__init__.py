"""The deployable services; each folder owns its database, and none imports another."""
