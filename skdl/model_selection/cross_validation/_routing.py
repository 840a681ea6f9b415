"""Which of a cross-validation's parameters go to the splitter, the estimator and the scorer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn import get_config
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    get_routing_for_object,
    process_routing,
)
from sklearn.utils.validation import has_fit_parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["params_for_contender", "routed", "router_of"]


def router_of(owner: Any, *, estimator: Any, scorer: Any, splitter: Any) -> MetadataRouter:
    """Return the router of a function or object that cross-validates in its ``fit``.

    The scorer's metadata also reach it from a method ``score``, where there is one.
    """
    to_scorer = (
        MethodMapping().add(caller="fit", callee="score").add(caller="score", callee="score")
    )
    return (
        MetadataRouter(owner=owner)
        .add(splitter=splitter, method_mapping=MethodMapping().add(caller="fit", callee="split"))
        .add(estimator=estimator, method_mapping=MethodMapping().add(caller="fit", callee="fit"))
        .add(scorer=scorer, method_mapping=to_scorer)
    )


def routed(
    owner: str,
    params: Mapping[str, Any],
    groups: Any,
    *,
    estimator: Any,
    scorer: Any,
    splitter: Any,
) -> Bunch:
    """Return who gets which parameters.

    Parameters
    ----------
    owner : str
        Name of the function, for messages.
    params : dict
        As the user passed them.
    groups : array-like or None
        As the user passed them beside `params`.
    estimator, scorer, splitter : object

    Returns
    -------
    routed : Bunch
        ``routed.splitter.split``, ``routed.estimator.fit``, ``routed.scorer.score``.

    Raises
    ------
    ValueError
        If `groups` is given although metadata routing is enabled.
    UnsetMetadataPassedError
        If nobody has said whether they want one of `params`.
    """
    if not get_config()["enable_metadata_routing"]:
        return Bunch(
            splitter=Bunch(split={} if groups is None else {"groups": groups}),
            estimator=Bunch(fit=dict(params)),
            scorer=Bunch(score={}),
        )
    if groups is not None:
        raise ValueError(
            f"{owner}: groups was given beside enabled metadata routing. Expected it among the "
            'other metadata: params={"groups": groups}.'
        )
    router = router_of(owner, estimator=estimator, scorer=scorer, splitter=splitter)
    try:
        return process_routing(router, "fit", **params)
    except UnsetMetadataPassedError as error:
        # It would speak of a method of ours that users do not call.
        raise UnsetMetadataPassedError(
            message=str(error).replace(f"{owner}.fit", owner),
            unrequested_params=error.unrequested_params,
            routed_params=error.routed_params,
        ) from None


def params_for_contender(
    estimator: Any, scorer: Any, params: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters for ``fit`` and for the scorer of an estimator compared with.

    It gets what it asks for: what it requests where metadata routing is enabled, else what its
    ``fit`` has an argument for.
    """
    if not get_config()["enable_metadata_routing"]:
        return {k: v for k, v in params.items() if has_fit_parameter(estimator, k)}, {}
    routes = []
    for consumer, method in ((estimator, "fit"), (scorer, "score")):
        names = get_routing_for_object(consumer).consumes(method, list(params))
        # Each by itself: what the scorer asks for, the estimator need not have an opinion on.
        router = MetadataRouter(owner="compare_with").add(
            consumer=consumer, method_mapping=MethodMapping().add(caller="fit", callee=method)
        )
        routed_params = process_routing(router, "fit", **{name: params[name] for name in names})
        routes.append(dict(routed_params.consumer[method]))
    return routes[0], routes[1]
