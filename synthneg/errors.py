"""The errors that a user can put right; everything else that is raised is our bug.

    SynthnegError
     ├── SettingsError     a settings file, a `--set`, a value out of bounds
     ├── CorpusError       the user's documents cannot be read
     ├── PromptError       a prompt file is not well formed, or its variables do not fit
     ├── BackendError      a language model cannot be reached, or refuses what was asked
     ├── RunError          a run's folder is missing, in use, or not as far as the command needs
     ├── ModelError        an encoder or student cannot be loaded
     ├── CollectionError   a test collection cannot be read
     ├── ClusterError      a Ray cluster cannot be reached, or has no room for a worker
     ├── HubError          the Hub refused, or cannot be reached
     └── MissingExtra      a feature whose packages are not installed

Every message is one line that says what was expected, what was seen and what to do. The command line prints it
and exits with status 2.
"""

from importlib.util import find_spec


class SynthnegError(Exception):
    """Something that the user can put right."""


class SettingsError(SynthnegError):
    """A setting is unknown, missing or out of bounds."""


class CorpusError(SynthnegError):
    """The documents cannot be read as they are."""


class PromptError(SynthnegError):
    """A prompt file is not well formed, or got other variables than it names."""


class BackendError(SynthnegError):
    """A language model cannot be reached, or refuses in a way that no retry will cure."""


class RunError(SynthnegError):
    """A run's folder is missing, in use, or not as far as the command needs."""


class ModelError(SynthnegError):
    """An encoder or student model cannot be loaded."""


class CollectionError(SynthnegError):
    """A test collection is not in BEIR format."""


class ClusterError(SynthnegError):
    """A Ray cluster cannot be reached, or has no room for what is asked of it."""


class HubError(SynthnegError):
    """The Hub refused an upload, or cannot be reached."""


class MissingExtra(SynthnegError):
    """A feature was asked for whose packages are not installed."""


def require(module: str, extra: str, feature: str) -> None:
    """Raise MissingExtra, with the command that helps, unless `module` can be imported.

    >>> require("json", "none", "reading")
    """
    if find_spec(module) is None:
        raise MissingExtra(
            f"{feature} needs the package {module}; run: pip install 'synthneg[{extra}]'"
        )
