"""What was kept of earlier releases, and what every later version owes to them."""
