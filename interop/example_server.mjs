// Starts an example server on a free loopback port, waits until it answers, and stops it.
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createServer } from 'node:net';

const START_LIMIT_MS = 30_000;

/** `variables` are MCP_AUTH_… and UPSTREAM_… ones; none are inherited from the caller's own environment. */
export async function start(executable, variables, logFile, port) {
  port ??= await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const inherited = Object.entries(process.env).filter(([name]) => !/^(MCP_|UPSTREAM_)/.test(name));
  const child = spawn(executable, [], {
    env: { ...Object.fromEntries(inherited), MCP_AUTH_LISTEN: `127.0.0.1:${port}`, MCP_AUTH_PUBLIC_URL: origin, ...variables },
    stdio: ['ignore', 'pipe', 'pipe']
  });
  const log = createWriteStream(logFile);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.pipe(log, { end: false });
    stream.on('data', data => { said = (said + data).slice(-2000); });
  }
  const ended = new Promise(resolve => child.on('exit', resolve).on('error', resolve));
  const stop = () => { child.kill(); return ended; };
  let over = false;
  void ended.then(() => { over = true; });
  for (const limit = Date.now() + START_LIMIT_MS; !over && Date.now() < limit; await sleep(100)) {
    const ready = await fetch(`${origin}/.well-known/oauth-protected-resource/mcp`).then(answer => answer.ok, () => false);
    if (ready) return { mcpUrl: `${origin}/mcp`, stop };
  }
  await stop();
  throw new Error(`the example did not start: ${said.trim().split('\n').pop() || 'it said nothing'}`);
}

export function freePort() {
  return new Promise(resolve => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
