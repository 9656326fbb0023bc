"""What-if: recorded inputs replayed twice, and what a changed configuration would have changed (design, "What-if")."""
