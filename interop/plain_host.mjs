// An MCP host written with nothing but fetch: discovery, registration, login, token.
// The conformance suite needs a registered client or a token handed to it; this gets them.
import { createHash, randomBytes } from 'node:crypto';
import { visit } from './browser.mjs';

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

/** RFC 7591: a public client with one redirect URI. */
export async function register({ server }, redirectUri) {
  return json(server.registration_endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Interop plain host',
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
    code_challenge: challenge, code_challenge_method: 'S256', resource: resource.resource
  })) url.searchParams.set(name, value);
  const response = (await visit(url, { decision, deliver: false })).searchParams;
  if (response.get('state') !== state) throw new Error('the authorization response carries another state');
  return response;
}

/** A token response, from nothing but the MCP URL. */
export async function logIn(mcpUrl) {
  const redirectUri = 'http://127.0.0.1:33418/callback';
  const discovered = await discover(mcpUrl);
  const client = await register(discovered, redirectUri);
  const verifier = randomBytes(32).toString('base64url');
  const response = await authorize(discovered, client, redirectUri, verifier);
  if (!response.get('code')) throw new Error(`no code: ${response}`);
  return json(discovered.server.token_endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'authorization_code', code: response.get('code'), redirect_uri: redirectUri,
      client_id: client.client_id, code_verifier: verifier, resource: discovered.resource.resource
    }).toString()
  });
}

async function json(url, init) {
  const response = await fetch(url, init);
  const body = await response.text();
  if (!response.ok) throw new Error(`${response.status} from ${url}: ${body.slice(0, 200)}`);
  return JSON.parse(body);
}
