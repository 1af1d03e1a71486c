"""What a run is told: models and checks of its configuration and sheet, and the files that must be there.

Reads what the stages offer (readers, benchmarks, losses); the workflow, `preflight` and the report import it.
"""
