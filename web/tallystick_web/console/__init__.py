"""The provider's console: a document of its own, served by the node's admin listener (docs/decisions/0029)."""
