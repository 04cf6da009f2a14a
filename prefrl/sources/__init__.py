"""Queries go to whoever answers them, stripped of what was not asked for; only sound answers come back.

    guard       hides what a source's `needs` did not declare, refuses nonsense answers
    hindsight   clips that go on in the simulator before a source judges them
    panel       several sources asked in their order; every answer stored before the next is asked for
    replay      the `file` source: recorded preferences by query id
    options     options models of the sources in this package

Sources of other kinds are plugins.
"""
