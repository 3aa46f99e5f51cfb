"""The partners service: its register, its import, what it says and hears, its pages."""
