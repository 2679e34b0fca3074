"""Projected ServiceAccount tokens, bound to their Pod, renewed when 80 % of their life is over."""

import time
from datetime import datetime, timezone

RENEW_AFTER = 0.8


class Tokens:
    """Of one Pod. `clock` counts seconds."""

    def __init__(self, api, pod, clock=time.monotonic):
        self._api, self._pod, self._clock = api, pod, clock
        self._issued = {}  # (audience, seconds) -> (token, monotonic time of its renewal)

    async def get(self, audience, seconds):
        """A token in the first 80 % of its life. An old one serves on while none can be had."""
        key = audience, seconds
        token, renewal = self._issued.get(key, (None, 0))
        if self._clock() >= renewal:
            token, renewal = self._issued[key] = await self._request(audience, seconds)
        return token

    def next_renewal(self):
        """Seconds from now; None without tokens."""
        return min((renewal - self._clock() for _, renewal in self._issued.values()), default=None)

    async def _request(self, audience, seconds):
        meta = self._pod.obj["metadata"]
        account = self._pod.obj["spec"].get("serviceAccountName") or "default"
        now = self._clock()
        answer = await self._api.post(
            f"/api/v1/namespaces/{meta['namespace']}/serviceaccounts/{account}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {
                "audiences": [audience] if audience else [], "expirationSeconds": seconds,
                "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}}})
        ends = datetime.fromisoformat(answer["status"]["expirationTimestamp"])
        life = (ends - datetime.now(timezone.utc)).total_seconds()
        return answer["status"]["token"], now + RENEW_AFTER * life
