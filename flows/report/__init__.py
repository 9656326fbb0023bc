"""What a run came to: summary, table, equity and exposure plot."""
