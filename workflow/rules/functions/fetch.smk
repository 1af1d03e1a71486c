# Functions of the rules in fetch.smk.
from pipeline_lib.fetch.settings import DECISIVE

WEB = {"web": "<run>/miniature/web.tar", "answers": "<run>/miniature/answers.parquet"} if config["miniature"] else {}
IMAGES_DEPEND_ON = settings(config["fetch"], "parts", *DECISIVE)


def options(wildcards, input):
    """The fetcher's options as flags; since this function takes `input`, they rerun nothing."""
    return flags(config["fetch"], *(name for name in config["fetch"] if name != "captions"))


def part_of_run(wildcards):
    """The path of a part's files, without the suffix."""
    return f"{RUN}/fetch/{wildcards.part}"


def serving(wildcards, input):
    """The command to put before the fetcher's: for the miniature one that serves its images meanwhile."""
    if not WEB:
        return ""
    return f"python -m pipeline_lib.miniature.serve --web {input.web} --answers {input.answers} --"
