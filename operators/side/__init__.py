"""Side topics: control, fills, overlay and signals, placed in event time (design, "Side topics")."""
