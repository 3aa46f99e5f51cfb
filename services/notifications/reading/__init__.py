"""Reading what others wrote to us: pure decisions on the bytes of one mail.

Nothing here knows a database, a network or a clock, and nothing raises whatever the bytes are.
"""
