"""Where submissions come from. Every source delivers into the same archive."""
