"""What the console shows, as trees: one file a tab."""
