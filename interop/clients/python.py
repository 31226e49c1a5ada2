"""The official Python client, from the MCP URL to tool results.

python python.py BROWSER MCP_URL legacy|modern [SECONDS_BEFORE_A_SECOND_CALL]
The contract is the one that typescript.mjs states.
"""

import asyncio
import json
import os
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.oauth2 import AuthorizationCodeResult
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata


async def main(browser, mcp_url, wire, wait):
    redirect = await Redirect.listen()
    kept = MemoryStorage()
    auth = OAuthClientProvider(
        server_url=mcp_url,
        client_metadata=OAuthClientMetadata(
            client_name="Interop Python",
            redirect_uris=[redirect.url],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            token_endpoint_auth_method="none",
        ),
        storage=kept,
        client_metadata_url=os.environ.get("INTEROP_CLIENT_DOCUMENT"),
        redirect_handler=lambda url: open_browser(browser, url),
        callback_handler=redirect.response,
    )
    mode = "legacy" if wire == "legacy" else "auto"
    async with httpx2.AsyncClient(auth=auth, timeout=30) as http:
        async with Client(streamable_http_client(mcp_url, http_client=http), mode=mode) as client:
            tools = os.environ["INTEROP_TOOLS"].split()
            report = {"protocol": client.protocol_version}
            for tool in tools:
                report[tool] = await call(client, tool)
            if wait:
                before = kept.tokens.access_token
                await asyncio.sleep(wait)
                report["again"] = await call(client, tools[-1])
                report["refreshed"] = kept.tokens.access_token != before
    print(json.dumps(report))


async def call(client, name):
    result = await client.call_tool(name, {})
    if result.is_error:
        raise RuntimeError(f"{name}: {result.content}")
    return " ".join(getattr(part, "text", part.type) for part in result.content)


async def open_browser(browser, url):
    visit = await asyncio.create_subprocess_exec(browser, url)
    if await visit.wait():
        raise RuntimeError("the browser did not get through the authorization pages")


class Redirect:
    """The client's own loopback redirect URI."""

    @classmethod
    async def listen(cls):
        redirect = cls()
        redirect.answered = asyncio.get_running_loop().create_future()
        server = await asyncio.start_server(redirect.serve, "127.0.0.1", 0)
        redirect.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/callback"
        redirect.server = server
        return redirect

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        query = parse_qs(urlsplit(head.split(" ")[1]).query)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ndone")
        await writer.drain()
        writer.close()
        if not self.answered.done():
            self.answered.set_result({key: values[0] for key, values in query.items()})

    async def response(self):
        query = await self.answered
        return AuthorizationCodeResult(code=query.get("code"), state=query.get("state"), iss=query.get("iss"))


class MemoryStorage:
    """What the client library asks an application to keep."""

    def __init__(self):
        self.tokens = None
        self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


if __name__ == "__main__":
    _, browser, url, wire, *rest = sys.argv
    asyncio.run(main(browser, url, wire, float(rest[0]) if rest else 0))
