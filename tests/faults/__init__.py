"""What is promised, held while servers are killed."""
