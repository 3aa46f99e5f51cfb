"""What the services say to each other: the envelope, the facts, the topology.

Nothing here knows how a message travels or what anybody does about it. This package imports marshmallow
and the standard library only, so that it can be read, tested and versioned by itself.
"""
