"""The portfolio step: ties allocate, risk-gate and route to one ledger and writes decisions (design, "Decisions")."""
