"""Topic dumps: recorded topics as files, the source and sinks over them, and the importer that makes them."""
