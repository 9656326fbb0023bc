"""The stages of Weir, one package each: pure steps over frames, without clock, network or randomness."""
