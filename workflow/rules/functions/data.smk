# Functions of the rule in data.smk.
from pipeline_lib.config.inputs import missing_copies

COPIES = missing_copies(config)


def stored(wildcards):
    """The file at its address."""
    try:
        return storage(COPIES[wildcards.remote_file])
    except WorkflowError as error:
        raise WorkflowError(f"{error} The plugins: pip install -e '.[storage]'") from None
