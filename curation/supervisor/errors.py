class StartError(Exception):
    """Nothing can be started; the message says in plain words why and what to do."""


class Stopped(Exception):
    """Somebody asked to stop, with the signal `signum`, while something was being started."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
