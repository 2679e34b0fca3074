"""Probes and hooks: httpGet, tcpSocket, exec, sleep, done from the node as a kubelet does them."""

import asyncio
import ssl

FIRST_AFTER = 0.2  # of a period, after initialDelaySeconds: a program that has just begun is not asked at once


async def act(handler, container):
    """Does a probe's or hook's handler once. Raises OSError that says what was wrong."""
    if action := handler.get("httpGet"):
        await _http(action, container)
    elif action := handler.get("tcpSocket"):
        _, writer = await asyncio.open_connection(action.get("host") or container.pod.ip,
                                                  container.port(action["port"]))
        writer.close()
    elif action := handler.get("exec"):
        await _exec(action["command"], container)
    elif action := handler.get("sleep"):
        await asyncio.sleep(action["seconds"])
    else:
        raise OSError(f"this node knows no handler of kind {', '.join(handler)}")


async def probe(spec, container, report):
    """Calls `report(good, message)` whenever a threshold is crossed, until cancelled. The first result counts from
    nothing: one success is `successThreshold`, but failures must reach `failureThreshold`."""
    period = spec.get("periodSeconds", 10)
    thresholds = {True: spec.get("successThreshold", 1), False: spec.get("failureThreshold", 3)}
    good, run = None, 0
    await asyncio.sleep(spec.get("initialDelaySeconds", 0) + FIRST_AFTER * period)
    while True:
        error = None
        try:
            async with asyncio.timeout(spec.get("timeoutSeconds", 1)):
                await act(spec, container)
        except (OSError, EOFError, ValueError) as problem:  # TimeoutError is one
            error = problem
        run = run + 1 if good == (error is None) else 1
        good = error is None
        if run == thresholds[good]:
            report(good, repr(error))
        await asyncio.sleep(period)


async def _http(action, container):
    secure = action.get("scheme", "HTTP") == "HTTPS"
    host = action.get("host") or container.pod.ip
    context = ssl._create_unverified_context() if secure else None  # a kubelet does not verify either
    reader, writer = await asyncio.open_connection(host, container.port(action["port"]), ssl=context)
    try:
        path = action.get("path") or "/"
        headers = {"Host": host, "User-Agent": "kube-probe/stand-in", "Connection": "close"}
        headers |= {header["name"]: header["value"] for header in action.get("httpHeaders") or []}
        lines = [f"GET {path if path.startswith('/') else '/' + path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        first = (await reader.readline()).decode(errors="replace").split()
        if len(first) < 2 or not 200 <= int(first[1]) < 400:
            raise OSError(f"HTTP {' '.join(first[1:]) or 'without an answer'}")
    finally:
        writer.close()


async def _exec(command, container):
    process = await asyncio.create_subprocess_exec(
        *container.enter(command), env=container.env, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode != 0:
        raise OSError(f"exit {process.returncode}: {output.decode(errors='replace').strip()[-200:]}")
