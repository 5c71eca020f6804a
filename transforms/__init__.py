"""Floor 1: pure transformations from submitted bytes to typed rows and findings.

Nothing here touches a database, the network or the clock, so every function can be tested with
values alone.
"""
