"""Builds the page: `python -m web.build`, or `web/build/build.py`."""
