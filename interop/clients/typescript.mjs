// The official TypeScript client, from the MCP URL to tool results.
//   node typescript.mjs BROWSER MCP_URL legacy|modern [SECONDS_BEFORE_A_SECOND_CALL|step-up]
// Contract of every client here: the program BROWSER is run with the authorization URL; the last line of
// stdout is JSON with protocol, what each tool of INTEROP_TOOLS says and, after the wait, again (what the last of
// them says then) and refreshed; with step-up asked (the scopes it went to ask the user for), whoami_after and
// write_guest_book. With INTEROP_CLIENT_DOCUMENT, a URL, the client names itself by that document.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const [browser, mcpUrl, wire, wait = '0'] = process.argv.slice(2);
const { Client, StreamableHTTPClientTransport, UnauthorizedError } = await import(installed('@modelcontextprotocol/client'));

const redirect = await listenForRedirect();
const provider = memoryProvider(redirect.url);
const client = await connect();
const tools = process.env.INTEROP_TOOLS.split(' ');
const report = { protocol: client.getNegotiatedProtocolVersion() };
for (const tool of tools) report[tool] = await call(tool);
if (wait === 'step-up') {
  // The client library asks for what the refusal names, and leaves the user's part to the application.
  redirect.again();
  const refused = await call('write_guest_book').then(() => undefined, error => error);
  if (!(refused instanceof UnauthorizedError)) throw new Error(`the guest book was not refused: ${refused}`);
  report.asked = provider.authorizationUrl.searchParams.get('scope');
  await approve();
  report.whoami_after = await call('whoami');
  report.write_guest_book = await call('write_guest_book');
}
if (Number(wait) > 0) {
  const before = provider.tokens().access_token;
  await new Promise(resolve => setTimeout(resolve, Number(wait) * 1000));
  report.again = await call(tools.at(-1));
  report.refreshed = provider.tokens().access_token !== before;
}
console.log(JSON.stringify(report));
process.exit(0);

async function connect() {
  try {
    await attempt();
    throw new Error('the server let us in without a token');
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
  }
  await approve();
  return attempt();
}

async function approve() {
  await promisify(execFile)(browser, [provider.authorizationUrl.href]);
  const response = await redirect.response;
  if (response.get('state') !== provider.sentState) throw new Error('the response carries another state');
  await newTransport().finishAuth(response);
}

async function attempt() {
  const mode = wire === 'legacy' ? 'legacy' : 'auto';
  const client = new Client({ name: 'interop-typescript', version: '1.0.0' }, { versionNegotiation: { mode } });
  await client.connect(newTransport());
  return client;
}

function newTransport() {
  return new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider: provider });
}

async function call(name) {
  const result = await client.callTool({ name, arguments: {} });
  if (result.isError) throw new Error(`${name}: ${JSON.stringify(result.content)}`);
  return result.content.map(part => part.text ?? part.type).join(' ');
}

/** What the client library asks an application to keep, in memory. */
function memoryProvider(redirectUrl) {
  const kept = {};
  return {
    redirectUrl,
    clientMetadataUrl: process.env.INTEROP_CLIENT_DOCUMENT,
    clientMetadata: {
      client_name: 'Interop TypeScript',
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none'
    },
    state() { return (this.sentState = randomBytes(16).toString('base64url')); },
    clientInformation: () => kept.client,
    saveClientInformation(client) { kept.client = client; },
    tokens: () => kept.tokens,
    saveTokens(tokens) { kept.tokens = tokens; },
    codeVerifier: () => kept.verifier,
    saveCodeVerifier(verifier) { kept.verifier = verifier; },
    discoveryState: () => kept.discovery,
    saveDiscoveryState(discovery) { kept.discovery = discovery; },
    redirectToAuthorization(url) { this.authorizationUrl = url; }
  };
}

async function listenForRedirect() {
  let answered;
  const redirect = { again() { this.response = new Promise(resolve => { answered = resolve; }); } };
  redirect.again();
  const server = http.createServer((request, reply) => {
    reply.end('You can close this page.');
    answered(new URL(request.url, mcpUrl).searchParams);
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(redirect, { url: `http://127.0.0.1:${server.address().port}/callback` });
}

/** The entry file of a package in the cache. */
function installed(name) {
  const folder = path.join(process.env.INTEROP_CACHE, 'node', 'node_modules', name);
  const { exports } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  return pathToFileURL(path.join(folder, exports['.'].import.default)).href;
}
