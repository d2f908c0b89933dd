"""What can go wrong, as classes. Messages say what happened, the value, and what to try."""


class NeurojaxError(Exception):
    """Any error raised on purpose by this package."""


class DataError(NeurojaxError, ValueError):
    """Measured data, or the description of a measurement, cannot be used as it is."""


class SimulationError(NeurojaxError, RuntimeError):
    """A simulation cannot start, or stopped before its end."""


class CircuitError(NeurojaxError, ValueError):
    """A circuit cannot be built or solved as it is connected."""


class FitError(NeurojaxError, RuntimeError):
    """A fit cannot start, or found nothing."""


class ProgrammingError(NeurojaxError, RuntimeError):
    """Cells did not reach what they were programmed to, or a table of pulses is not as exact as was asked."""


class DesignError(NeurojaxError, RuntimeError):
    """A co-design cannot start, or found nothing that can be used."""
