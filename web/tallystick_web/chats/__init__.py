"""Conversations as trees of messages: what they are, what changes them, how they are kept, found and exchanged."""
