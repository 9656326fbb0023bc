"""Control commands: judged the same way by every stage that obeys them (spec 7, 13)."""
