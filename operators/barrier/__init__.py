"""Barriers: a stage acts on a cycle when every upstream key has closed it (design, "Barrier")."""
