"""What the provider's console shows, and who may see it. Its routes are in `routes`."""
