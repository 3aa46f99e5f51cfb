"""How a service runs: the loop, the database, the outbox and the inbox, the transports, the pages.

The chassis keeps the guarantees and knows no word of the business. It may use ``contracts``; it never
imports a service.
"""
