"""The statements of each ``.sql`` file beside this module, by name."""

from chassis.database import read_queries

QUERIES = read_queries(__file__)
PEOPLE = read_queries(__file__, "people.sql")
RIGHTS = read_queries(__file__, "rights.sql")
TIMELINE = read_queries(__file__, "timeline.sql")
REFERRALS = read_queries(__file__, "referrals.sql")
