// An MCP host written with nothing but fetch: discovery, registration, login, token.
// The conformance suite needs a registered client or a token handed to it; this gets them.
import { createHash, randomBytes } from 'node:crypto';
import { visit } from './browser.mjs';

export const PLAIN_HOST = 'Interop plain host';

/** What a host learns from the MCP URL alone. */
export async function discover(mcpUrl) {
  const refused = await fetch(mcpUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
  const challenge = refused.headers.get('www-authenticate') ?? '';
  const [, metadataUrl] = challenge.match(/resource_metadata="([^"]+)"/) ?? [];
  if (refused.status !== 401 || !metadataUrl) throw new Error(`expected a 401 with resource_metadata, got ${refused.status} ${challenge}`);
  const resource = await json(metadataUrl);
  const [issuer] = resource.authorization_servers;
  const { origin, pathname } = new URL(issuer);
  const server = await json(`${origin}/.well-known/oauth-authorization-server${pathname === '/' ? '' : pathname}`);
  return { resource, issuer, server };
}

/** What a host of revision 2025-03-26 learns: all that it reads is at the MCP server's own origin. It knows of no resource, and asks for the scope it was set up with. */
export async function discoverAtOrigin(mcpUrl) {
  const { origin } = new URL(mcpUrl);
  return { resource: { scopes_supported: ['mcp:tools'] }, issuer: origin, server: await json(`${origin}/.well-known/oauth-authorization-server`) };
}

/** RFC 7591: a public client with one redirect URI. */
export async function register({ server }, redirectUri) {
  return json(server.registration_endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: PLAIN_HOST,
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none'
    })
  });
}

/** The authorization response of one login; `decision` is the button on the consent page. */
export async function authorize({ server, resource }, client, redirectUri, verifier, decision) {
  const url = new URL(server.authorization_endpoint);
  const state = randomBytes(12).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  for (const [name, value] of Object.entries({
    response_type: 'code', client_id: client.client_id, redirect_uri: redirectUri, state,
    code_challenge: challenge, code_challenge_method: 'S256',
    ...(resource.scopes_supported && { scope: resource.scopes_supported.join(' ') }),
    ...(resource.resource && { resource: resource.resource })
  })) url.searchParams.set(name, value);
  const response = (await visit(url, { decision, deliver: false })).searchParams;
  if (response.get('state') !== state) throw new Error('the authorization response carries another state');
  return response;
}

/** A token response, from nothing but the MCP URL or with what was learned from it. */
export async function logIn(mcpUrl, discovered = undefined) {
  const redirectUri = 'http://127.0.0.1:33418/callback';
  discovered ??= await discover(mcpUrl);
  const client = await register(discovered, redirectUri);
  const verifier = randomBytes(32).toString('base64url');
  const response = await authorize(discovered, client, redirectUri, verifier);
  if (!response.get('code')) throw new Error(`no code: ${response}`);
  return json(discovered.server.token_endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'authorization_code', code: response.get('code'), redirect_uri: redirectUri,
      client_id: client.client_id, code_verifier: verifier,
      ...(discovered.resource.resource && { resource: discovered.resource.resource })
    }).toString()
  });
}

/** The status that the MCP endpoint gives `initialize` with this token. */
export async function initialize(mcpUrl, accessToken) {
  const response = await fetch(mcpUrl, {
    method: 'POST',
    headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: {
      protocolVersion: '2025-03-26', capabilities: {}, clientInfo: { name: 'interop-plain', version: '1' }
    } })
  });
  const answer = await response.text();
  return { status: response.status, challenge: response.headers.get('www-authenticate') ?? '', session: response.headers.get('mcp-session-id'), answer };
}

/** What `whoami` says to a host of revision 2025-03-26. */
export async function whoami(mcpUrl, accessToken) {
  const begun = await initialize(mcpUrl, accessToken);
  if (begun.status !== 200) throw new Error(`initialize: ${begun.status} ${begun.challenge}`);
  const send = body => fetch(mcpUrl, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${accessToken}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream',
      ...(begun.session && { 'mcp-session-id': begun.session })
    },
    body: JSON.stringify({ jsonrpc: '2.0', ...body })
  });
  await (await send({ method: 'notifications/initialized' })).text();
  const response = await send({ id: 2, method: 'tools/call', params: { name: 'whoami', arguments: {} } });
  // One JSON body, or an event stream whose last event is the answer.
  const lines = (await response.text()).split('\n').map(line => line.replace(/^data: ?/, '')).filter(line => line.startsWith('{'));
  const { result } = JSON.parse(lines.at(-1) ?? '{}');
  if (!result || result.isError) throw new Error(`whoami: ${response.status} ${lines.at(-1)}`);
  return result.content[0].text;
}

async function json(url, init) {
  const response = await fetch(url, init);
  const body = await response.text();
  if (!response.ok) throw new Error(`${response.status} from ${url}: ${body.slice(0, 200)}`);
  return JSON.parse(body);
}
