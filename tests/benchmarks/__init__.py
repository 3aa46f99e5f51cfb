"""What it costs, measured side by side in one run on private servers. Nothing here passes or fails."""
