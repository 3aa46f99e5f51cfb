"""The three services, and the command that runs them.

A service never imports another: what it needs from one it learns from events. The modules directly in this
package know all three, because they install, start and try the whole.
"""
