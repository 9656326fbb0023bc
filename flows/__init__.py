"""The dataflows of Weir and the command line that starts them."""
