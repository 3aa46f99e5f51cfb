"""Journeys through the whole: real processes, real servers, a real browser."""
