"""route: approved targets become orders with ids, sequence and attribution (spec 8)."""
