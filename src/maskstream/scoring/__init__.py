"""How good masks are: measures, runs over data sets, and reports."""
