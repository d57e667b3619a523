# The domain that this run builds, resolved once: its stamps are written here, and every rule takes its paths from it.
from snakemake.exceptions import WorkflowError

from domainlm.config.errors import ConfigurationError
from domainlm.workflow.prepare import prepare
from domainlm.workflow.snakemake import asked_of_snakemake, build_command, share_volume

CORES_OF_A_JOB = 8
share_volume()
SETTINGS, TARGETS, IS_RUN = asked_of_snakemake()
try:
    DOMAIN = prepare(
        config,
        is_main_process=workflow.is_main_process,
        targets=TARGETS,
        is_run=IS_RUN,
    )
except ConfigurationError as error:
    # the one kind that Snakemake prints without the calls that led to it
    raise WorkflowError(str(error)) from None
NAME = DOMAIN.domain
# what has to run is told by keys and contents (docs/adr/0015); by itself Snakemake goes by times
if SETTINGS:
    SETTINGS.forcerun = {*SETTINGS.forcerun, *DOMAIN.due}
# torch rules take every core of the machine: two at once would halve both (facts measured in docs/concepts.md). On a
# cluster the profile's set-threads says how many; a job sees its node's cores, which are not those that it was given
ALL_CORES = (
    workflow.is_main_process and workflow.resource_settings.cores or CORES_OF_A_JOB
)
BUILD = build_command() + f" --domain {NAME} --threads {{threads}} --log {{log}} "


localrules:
    all,


wildcard_constraints:
    shard=r"\d{4}",


onsuccess:
    DOMAIN.say_how_to_use()
