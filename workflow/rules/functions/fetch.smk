# Functions of the rules in fetch.smk.
from pipeline_lib.fetch.settings import DECISIVE

WEB = {"web": "<run>/miniature/web.tar", "answers": "<run>/miniature/answers.parquet"} if config["miniature"] else {}
IMAGES_DEPEND_ON = settings(config["fetch"], "parts", *DECISIVE)


def manners(wildcards, input):
    """The options that no image depends on; since this function takes `input`, they rerun nothing."""
    return settings(config["fetch"])


def connect_to(wildcards, input):
    """`--connect-to HOST=ADDRESS` for each host that is reached elsewhere."""
    return flags(config["fetch"], "connect_to")


def serving(wildcards, input):
    """The command to put before the fetcher's: for the miniature one that serves its images meanwhile."""
    if not WEB:
        return ""
    return f"python -m pipeline_lib.miniature.serve --web {input.web} --answers {input.answers} --"
