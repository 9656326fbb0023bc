"""normalize: raw market records become closed cycles of clean bars, and shared features (spec 2; design, "Time")."""
