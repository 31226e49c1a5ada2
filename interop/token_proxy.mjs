// The conformance suite's `server` command cannot carry a token: this proxy adds it.
// Its own authority in Host and Origin becomes the server's; whatever else a test puts
// there (DNS rebinding) passes through as it is.
import http from 'node:http';

export async function tokenProxy(mcpUrl, accessToken) {
  const target = new URL(mcpUrl);
  const proxy = http.createServer((request, reply) => {
    const { port } = proxy.address();
    const own = new RegExp(`\\b(127\\.0\\.0\\.1|localhost):${port}\\b`);
    const headers = { ...request.headers, authorization: `Bearer ${accessToken}` };
    for (const name of ['host', 'origin']) headers[name] = headers[name]?.replace(own, target.host);
    if (!headers.origin) delete headers.origin;
    const onward = http.request({
      hostname: target.hostname, port: target.port, path: request.url, method: request.method, headers, setHost: false
    }, answer => {
      reply.writeHead(answer.statusCode, answer.headers);
      answer.pipe(reply);
    });
    onward.on('error', () => (reply.headersSent ? reply.destroy() : reply.writeHead(502).end()));
    reply.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  await new Promise(resolve => proxy.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${proxy.address().port}${target.pathname}`;
  return { url, close: () => { proxy.closeAllConnections(); proxy.close(); } };
}
