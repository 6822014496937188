"""The few requests that a driver makes of Kubernetes, by kr8s, which dask-kubernetes itself stands on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jpasbatch.errors import InputError, TryAgainError


class Api:
    """Kubernetes, as the driver's service account or configuration (``KUBECONFIG``) reaches it."""

    def __init__(self, api: Any) -> None:
        self._api = api

    @property
    def namespace(self) -> str:
        """The driver's own."""
        return self._api.namespace

    def create(self, manifest: Mapping[str, Any]) -> str:
        """Create a resource and return its unique id.

        Raises
        ------
        InputError, TryAgainError
            When Kubernetes refuses it, or does not answer.
        """
        made = self._object(manifest)
        with _told(manifest):
            made.create()
        return str(made.metadata["uid"])

    def delete(self, manifest: Mapping[str, Any]) -> None:
        """Delete a resource; one that is gone already is no error."""
        import kr8s

        with _told(manifest):
            try:
                self._object(manifest).delete()
            except kr8s.NotFoundError:
                return

    def _object(self, manifest: Mapping[str, Any]) -> Any:
        from kr8s.objects import Secret, new_class

        kind = manifest["kind"]
        made = Secret if kind == "Secret" else new_class(kind, manifest["apiVersion"], asyncio=False)
        return made(dict(manifest), api=self._api)


def open_api() -> Api:
    """Return Kubernetes.

    Raises
    ------
    InputError
        When kr8s is not installed, or there is neither a service account nor a configuration.
    TryAgainError
        When Kubernetes does not answer.
    """
    try:
        import kr8s
    except ImportError:
        raise InputError("kind 'kubernetes' needs kr8s: pip install 'jpasbatch[kubernetes]'") from None
    with _told({"kind": "a connection", "metadata": {"name": "to it"}}):
        return Api(kr8s.api())


@contextmanager
def _told(manifest: Mapping[str, Any]) -> Iterator[None]:
    import httpx
    import kr8s

    what = f"{manifest['kind']} {manifest['metadata']['name']}"
    try:
        yield
    except kr8s.NotFoundError as error:
        raise refused(404, what, str(error)) from error
    except kr8s.ServerError as error:
        raise refused(
            0 if error.response is None else error.response.status_code, what, str(error)
        ) from error
    except (ValueError, FileNotFoundError) as error:
        raise InputError(
            f"there is no Kubernetes to ask for {what}: {error}. The driver must be a pod with a service account, or "
            "KUBECONFIG must name a configuration"
        ) from error
    except (httpx.HTTPError, ConnectionError, kr8s.ConnectionClosedError, kr8s.APITimeoutError) as error:
        raise TryAgainError(
            f"Kubernetes does not answer ({type(error).__name__}: {error}); run the same command again",
            "QUEUE_LOST",
        ) from error


def refused(code: int, what: str, message: str) -> InputError | TryAgainError:
    """Return the error for an answer of Kubernetes that refuses a request.

    Parameters
    ----------
    code : int
        HTTP status.
    what : str
        Kind and name of the resource.
    message : str
        Of the answer.
    """
    if code == 404:
        return InputError(
            f"Kubernetes knows no such resource as {what}: install the Dask operator (deploy/kubernetes/README.md), "
            "and name a namespace that exists"
        )
    if code in (401, 403):
        return InputError(
            f"Kubernetes does not allow {what}: give the driver's service account the role of "
            f"deploy/kubernetes/rbac.yaml ({message})"
        )
    if code in (400, 409, 422):
        return InputError(f"Kubernetes refuses {what}: {message}. Correct the cluster file")
    return TryAgainError(
        f"Kubernetes answers {what} with {code} ({message}); run the same command again", "QUEUE_LOST"
    )
