"""What Prefect offers of this program: the deployments, their registration and their runs.

``prefect.yaml`` describes the same deployments for those who have a server, a work pool and workers of
their own. Of a run the server says that it is to be, and with which parameters; what is run is the flow
of this program (:data:`DEPLOYMENTS`), in the home of this service, whatever anybody wrote into the server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.run import definitions_of
from flows.settings import Settings
from transforms.china import ZONE_NAME

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import State
    from prefect.runner import Runner


@dataclass(frozen=True)
class Deployment:
    """A flow that Prefect offers: where it is, when it runs by itself, and what it is for."""

    name: str
    entrypoint: str
    description: str
    cron: str | None = None
    timezone: str = ZONE_NAME

    def flow(self) -> Flow[..., Any]:
        """Return the flow; importing it imports Prefect."""
        module, _, name = self.entrypoint.rpartition(".")
        found: Flow[..., Any] = getattr(import_module(module), name)
        return found


DEPLOYMENTS: tuple[Deployment, ...] = (
    Deployment(
        "nightly",
        "flows.nightly.nightly",
        "Takes in everything handed in since the last run, checks it, computes the indicators, "
        "judges the plan and publishes. A night that was missed is caught up by the next.",
        cron="0 2 * * *",
    ),
    Deployment(
        "backfill",
        "flows.nightly.backfill",
        "The same steps again over what the archive holds for some years, units and forms; as a "
        "dry run it shows what would change in which indicator, and changes nothing.",
    ),
)


async def register(runner: Runner, client: PrefectClient, settings: Settings) -> list[UUID]:
    """Tell the server of the deployments, and ``runner`` to carry out their runs; give their ids.

    Choices of units and forms are those of ``settings.home``, so that another city's region list
    shows in the UI.
    """
    from prefect.client.schemas.actions import DeploymentUpdate
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    defined = definitions_of(settings)
    choices = {
        "years": list(range(defined.plan.begins, datetime.now(UTC).year + 1)),
        "regions": defined.reference.units["region_name"].to_list(),
        "forms": list(defined.forms),
    }
    ids = []
    for one in DEPLOYMENTS:
        # The flow itself goes to the runner: it is then never looked up in what the server holds.
        added = await runner.aadd_flow(
            one.flow(),
            name=one.name,
            schedule=Cron(one.cron, timezone=one.timezone) if one.cron else None,
            description=one.description,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        ids.append(added)
        schema = (await client.read_deployment(added)).parameter_openapi_schema or {}
        schema["properties"] = _offered(schema.get("properties", {}), choices)
        schema["additionalProperties"] = False
        await client.update_deployment(ids[-1], DeploymentUpdate(parameter_openapi_schema=schema))
    return ids


def _offered(
    parameters: dict[str, dict[str, Any]], choices: Mapping[str, Sequence[object]]
) -> dict[str, dict[str, Any]]:
    """Return the parameters, in JSON schema, as the UI offers them.

    A list to choose from is just that: one that may be left out is left empty, without asking first
    whether it is a list or nothing.
    """
    shown = {name: dict(schema) for name, schema in parameters.items()}
    for name in choices.keys() & shown.keys():
        for word in ("anyOf", "default"):
            shown[name].pop(word, None)
        shown[name] |= {
            "type": "array",
            "items": {"enum": list(choices[name])},
            "uniqueItems": True,
        }
    return shown


async def settle(client: PrefectClient, deployments: Sequence[UUID]) -> None:
    """Put the record of ``deployments`` straight after a stop, an orderly one or not.

    A run that was cut off would be shown as running for ever: it becomes Crashed. Of the nights
    that passed meanwhile one is enough, because a night takes in everything unread: the last one
    stays and starts at once, those before it become Cancelled.
    """
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterId,
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.states import Cancelled, Crashed
    from prefect.types._datetime import now

    async def runs(*states: StateType) -> list[Any]:
        wanted = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))
        return await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=wanted),
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=list(deployments))),
        )

    cut_off = "jzedu serve was stopped during this run; the next night does its work"
    for run in await runs(StateType.RUNNING, StateType.PENDING, StateType.CANCELLING):
        await client.set_flow_run_state(run.id, Crashed(message=cut_off), force=True)
    overdue = [
        run
        for run in await runs(StateType.SCHEDULED)
        if run.auto_scheduled and run.expected_start_time < now("UTC")
    ]
    overdue.sort(key=lambda run: (run.deployment_id, run.expected_start_time))
    for run, following in pairwise(overdue):
        if run.deployment_id == following.deployment_id:
            missed: State[Any] = Cancelled(
                message="missed while jzedu serve was stopped; a later night did it"
            )
            await client.set_flow_run_state(run.id, missed, force=True)
