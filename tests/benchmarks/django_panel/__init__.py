"""The tables of a panel and its meetings as an application of Django."""
