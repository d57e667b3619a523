# The domain that this run builds, resolved once: its stamps are written here, and every rule takes its paths from it.
from domainlm.workflow import build_command, prepare

DOMAIN = prepare(
    config,
    is_main_process=workflow.is_main_process,
    targets=workflow.dag_settings.targets,
)
NAME = DOMAIN.domain
# torch rules take every core of the machine: two at once would halve both (facts measured in docs/concepts.md)
ALL_CORES = workflow.cores or 8
BUILD = (
    build_command()
    + f" --domain {NAME} --threads {{threads}} --log {{log}} --stamp {{input.stamp}} "
)


localrules:
    all,


wildcard_constraints:
    shard=r"\d{4}",


onsuccess:
    DOMAIN.say_how_to_use()
