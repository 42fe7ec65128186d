"""A recipe's judges: `{name: {kind: settings}}`, checked against each other."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple, cast

from schemas.errors import PluginError, RecipeError
from schemas.tables import Status
from tasks import plugins
from tasks.engines.contract import Identity
from tasks.judge.contract import Kind, KindConfig

PACKAGE: Final = "tasks.judge.kinds"

Settings = Mapping[str, Mapping[str, Mapping[str, Any] | None]]
"""Each judge's kind with its settings, by the judge's name."""


class Judge(NamedTuple):
    """One judge."""

    name: str
    kind_name: str
    config: KindConfig
    kind: Kind
    over: "Judge | None" = None
    """The judge whose judgements it judges."""
    judged: bool = False
    """Whether another judge judges its judgements."""

    @property
    def decides(self) -> bool:
        """Whether it gives verdicts."""
        return self.kind.verdict is not None

    @property
    def choosy(self) -> bool:
        """Whether it is asked about some traces only, by where they stand so far."""
        return set(self.config.when) != set(Status)

    def among(self, statuses: Collection[Status]) -> "Judge":
        """The judge as it is asked only about traces that stand at one of `statuses`.

        Raises:
            RecipeError: its own `when` names none of them.
        """
        when = tuple(status for status in self.config.when if status in statuses)
        if not when:
            raise RecipeError(
                f"judges.{self.name}.{self.kind_name}.when: in verify.rule.order it is asked only where a trace stands "
                f"as {' or '.join(statuses)}; name one of these"
            )
        return self._replace(config=self.config.model_copy(update={"when": when}))

    def version(self, identity: Identity) -> str:
        """What its verdicts name as their verifier's version: how replies are read, and the model."""
        revision = f" {identity.revision}" if identity.revision else ""
        return f"{self.kind_name} {self.kind.version}, {identity.model}{revision}"


def judges(settings: Settings) -> dict[str, Judge]:
    """Build a recipe's judges, in their order.

    Raises:
        PluginError: a kind is unknown.
        RecipeError: a setting is, or a judge of judgements names one that gives it nothing to compare.
    """
    made: dict[str, Judge] = {}
    for name, kinds in settings.items():
        if len(kinds) != 1:
            raise RecipeError(f"judges.{name}: takes exactly one kind with its settings, not {len(kinds)}")
        try:
            [(kind, config)] = plugins.configure(PACKAGE, kinds).items()
        except RecipeError as exc:
            raise type(exc)(f"judges.{name}{': ' if isinstance(exc, PluginError) else '.'}{exc}") from exc
        build: Callable[..., Kind] = plugins.load(PACKAGE, kind).build
        over = _over(f"judges.{name}.{kind}.of", getattr(config, "of", None), made)
        if over is not None:
            made[over.name] = over
        made[name] = Judge(name, kind, cast("KindConfig", config), build(config), over)
    return made


def _over(setting: str, name: str | None, before: Mapping[str, Judge]) -> Judge | None:
    if name is None:
        return None
    fit = [one.name for one in before.values() if one.config.samples > 1 and one.kind.task]
    if name not in fit:
        raise RecipeError(
            f"{setting}: {name} is no judge before it that judges traces one by one with more than one of `samples`; "
            f"such are {', '.join(fit) or 'none'}"
        )
    return before[name]._replace(judged=True)
