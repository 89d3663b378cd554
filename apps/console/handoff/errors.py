"""Why an environment's admin does not open."""

from apps.core.problems import Forbidden, ValidationFailed


class ConsoleSessionNeeded(Forbidden):
    """An environment's admin is opened by a person out of a session in the console, and ends with it."""

    code, title = "console_session_needed", "This takes a person's session in the console"
    advice = (
        "Sign in to the console and open the environment there; keys act in it with Packmule-Environment."
    )


class ReasonNeeded(ValidationFailed):
    """The environment is protected: who opens its admin says why, for its trail."""

    code, title = "reason_needed", "A protected environment asks for a reason"
    advice = "Send `reason`: a sentence for the people who will read the timeline."


class CodeRefused(Forbidden):
    """The one-time code does not open this environment in this browser now."""

    code, title = "hand_off_code_refused", "The way in is closed"
    advice = "Open the environment anew from the console."
