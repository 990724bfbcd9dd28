"""The market as people look at it: what was seen of each provider, filters and order. Pure: no seat is touched."""
