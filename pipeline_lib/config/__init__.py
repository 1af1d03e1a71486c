"""What a run is told: checks of the configuration and of the sheet of experiments, and the inputs that must be there.

Reads what the stages offer (readers, benchmarks, losses); the workflow and `preflight` import it.
"""
