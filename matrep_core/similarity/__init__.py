"""Which materials act alike: evidence from amounts, co-use, several models and swaps that laboratories made."""
