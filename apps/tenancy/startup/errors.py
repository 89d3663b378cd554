"""Why an installation cannot be started."""

FAILED = 1
CONFLICT = 5
BAD_USAGE = 64


class CannotStart(Exception):  # noqa: N818 - said to a person as a sentence
    """The installation cannot be started; the text says why and what to do. `exit_code` is the command's."""

    def __init__(self, sentence: str, exit_code: int = FAILED) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
