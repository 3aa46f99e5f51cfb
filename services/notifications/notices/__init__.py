"""What is said to one person by mail and is no letter of a campaign: how to sign in, what was decided.

Each is written down in the transaction that heard of it and sent at the most once. When it is settled, its
words and the address are forgotten: what remains is that there was one.
"""
