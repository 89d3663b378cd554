"""Why an application or environment could not be made."""

from apps.core.problems import Conflict


class SlugTaken(Conflict):
    """The slug names another application of this installation, of whichever organization."""

    code, title = "slug_taken", "That slug is taken"
    advice = "Slugs are unique in an installation because hosts and tenants are named after them. Take another one."


class EnvironmentExists(Conflict):
    """The application has an environment of that name."""

    code, title = "environment_exists", "There is an environment of that name"
    advice = "Take another name, or use the one that is there."
