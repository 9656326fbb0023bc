"""State over a change of configuration: what continues, what starts cold, what is wound up (design, "Edges")."""
