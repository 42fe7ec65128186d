"""Everything tracemill raises on purpose, named by the boundary that was crossed.

TracemillError
├── RecipeError       a recipe or a setting is wrong
│   └── PluginError   a recipe names a plug-in that does not exist
├── SourceError       imported data cannot be read as the recipe says
├── SchemaError       a table does not have the columns its contract names
├── LakeError         the lake cannot be read or written
│   └── DamagedError  a stored part or manifest does not match its digest
├── QueryError       a query over the lake is wrong
├── EngineError       a model cannot be loaded or reached, or an engine broke
├── HubError          a hub cannot be reached, or turns an upload down
├── WorkerError       worker processes cannot be started or keep dying
├── StoreError        the reviewers' store cannot be opened or written
├── ReviewError       something about users, batches or reviews cannot be done as asked
└── EmptyError        a run left nothing to publish

A row that cannot be used is no exception: it is a row of `dropped`, or a verdict with its status.
"""


class TracemillError(Exception):
    """Base of all; the message is one sentence that says what is wrong, where, and what to do."""


class RecipeError(TracemillError):
    """A recipe, or a setting given on the command line, cannot be used."""


class PluginError(RecipeError):
    """A plug-in of this name does not exist."""


class SourceError(TracemillError):
    """Imported data cannot be read as the recipe says."""


class SchemaError(TracemillError):
    """A table breaks its contract."""


class LakeError(TracemillError):
    """The lake cannot be read or written."""


class DamagedError(LakeError):
    """A stored part or manifest does not match its digest."""


class QueryError(TracemillError):
    """A query over the lake is wrong."""


class EngineError(TracemillError):
    """A model cannot be loaded or reached, or an engine broke."""


class HubError(TracemillError):
    """A hub cannot be reached, or turns an upload down."""


class WorkerError(TracemillError):
    """Worker processes cannot be started, or keep dying."""


class ServerError(TracemillError):
    """Prefect's server cannot be reached, or a temporary one does not start."""


class StoreError(TracemillError):
    """The reviewers' store cannot be opened or written."""


class ReviewError(TracemillError):
    """Something about users, batches or reviews cannot be done as asked."""


class EmptyError(TracemillError):
    """A run left nothing to publish."""
