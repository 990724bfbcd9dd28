"""The engine that stands before a server of somebody else's make: any that speaks OpenAI's API."""

from .engine import UpstreamEngine
from .options import UpstreamOptions
from .vectors import UpstreamEmbeddings

__all__ = ["UpstreamEmbeddings", "UpstreamEngine", "UpstreamOptions"]
