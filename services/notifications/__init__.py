"""Letters out, answers in: the service that writes to people and remembers who answered."""
