"""From a published figure to the cells that it was made from."""
