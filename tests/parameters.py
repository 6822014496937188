"""How parametrised tests are named."""


def texts_alone(value: object) -> str:
    """Return what the name of a test has of a value: bytes that hold the time would be another name each second.

    Processes that share the tests must find the same names.
    """
    return value if isinstance(value, str) else "bytes"
