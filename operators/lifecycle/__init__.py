"""Pod lifecycle: promoted, warned, retired by what their own books did (spec 5, "Lifecycle")."""
