"""A candidate configuration beside the live one, in the same flow (design, "Decisions and journal")."""
