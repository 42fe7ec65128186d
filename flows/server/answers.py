"""Whether a Prefect server answers at an address."""


def answers(api: str) -> bool:
    """Whether Prefect's API is there."""
    return _get(f"{api}/health")


def ready(api: str) -> bool:
    """Whether it has its database, too."""
    return _get(f"{api}/ready")


def _get(url: str) -> bool:
    import httpx

    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
