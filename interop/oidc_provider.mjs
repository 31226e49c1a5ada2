// An authorization server that nobody here wrote: node oidc-provider, on a free loopback port.
//   node oidc_provider.mjs MCP_ORIGIN CLIENT_SECRET     its issuer is the first line of stdout; it runs until stdin ends
// Everybody may register there (RFC 7591). With `resource` MCP_ORIGIN/mcp (RFC 8707) its access tokens are JWTs
// for that server; without, they are opaque and open its userinfo. The client `mcp-auth` is DcrShim's own.
import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { PLAIN_HOST } from './plain_host.mjs';

const [origin, secret] = process.argv.slice(2);
const { Provider } = await import(pathToFileURL(path.join(process.env.INTEROP_CACHE, 'node/node_modules/oidc-provider/lib/index.js')));

const USERS = { [process.env.INTEROP_USERNAME ?? 'alice']: process.env.INTEROP_PASSWORD ?? 'wonderland' };
// The second is somebody else's: a token for it must not open ours.
const RESOURCES = [`${origin}/mcp`, 'https://elsewhere.example/mcp'];
const SHORT_SECONDS = 2;

const server = http.createServer(answer).listen(0, '127.0.0.1');
await new Promise(resolve => server.on('listening', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, configuration());
provider.on('server_error', (_, error) => console.error(error));
for (const event of ['authorization.error', 'grant.error', 'registration_create.error', 'userinfo.error']) {
  provider.on(event, (_, error) => console.error(event, error.error, error.error_detail ?? error.error_description, error.cause ?? ''));
}
// Counted by the rows that are about them.
provider.on('grant.success', ({ oidc }) => console.error('granted', oidc.params.grant_type, oidc.client.clientId));
const standard = provider.callback();
console.log(issuer);
process.stdin.on('end', () => process.exit()).resume();

function configuration() {
  const key = (kind, options, extra) => ({ ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }), use: 'sig', ...extra });
  return {
    jwks: { keys: [key('rsa', { modulusLength: 2048 }, { alg: 'RS256' }), key('ec', { namedCurve: 'P-256' }, { alg: 'ES256' })] },
    clients: [{
      client_id: 'mcp-auth',
      client_secret: secret,
      token_endpoint_auth_method: 'client_secret_basic',
      redirect_uris: [`${origin}/callback`],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code']
    }],
    scopes: ['openid', 'offline_access', 'profile', 'mcp:tools'],
    claims: { openid: ['sub'], profile: ['name', 'preferred_username'] },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, name: `The user ${sub}`, preferred_username: sub }) }),
    cookies: { keys: [secret] },
    pkce: { required: () => true },
    issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: () => true,
    expiresWithSession: () => false,
    // Opaque tokens end at once, so DcrShim has to refresh them; those for the MCP server only if it asks so.
    ttl: { AccessToken: (_, token) => token.resourceServer?.accessTokenTTL ?? SHORT_SECONDS, AuthorizationCode: 60, Grant: 3600, IdToken: 300, Interaction: 600, RefreshToken: 3600, Session: 600 },
    // Its own way to documents keeps off loopback, which is where the rows' are.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      clientIdMetadataDocument: { enabled: true, ack: 'draft-02' },
      registration: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        // A host of MCP 2025-03-26 names no resource. Of all the others it is expected, so only this one gets a default.
        defaultResource: (_, client, oneOf) => oneOf ?? (client.clientName === PLAIN_HOST ? RESOURCES[0] : undefined),
        getResourceServerInfo(_, resource) {
          if (!RESOURCES.includes(resource)) throw new Error('unknown resource');
          return { scope: 'mcp:tools', audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: Number(process.env.INTEROP_JWT_SECONDS ?? 300), jwt: { sign: { alg: 'ES256' } } };
        }
      }
    }
  };
}

async function answer(request, response) {
  if (!request.url.startsWith('/interaction/')) return standard(request, response);
  try {
    await interaction(request, response);
  } catch (error) {
    console.error(error);
    response.writeHead(400).end('This sign-in cannot go on.');
  }
}

/** The two pages that a deployment of oidc-provider brings itself: who are you, and may this client in? */
async function interaction(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (request.method !== 'POST') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    return response.end(prompt.name === 'login' ? LOGIN : CONSENT);
  }
  const form = await posted(request);
  const finish = result => provider.interactionFinished(request, response, result, { mergeWithLastSubmission: prompt.name !== 'login' });
  if (prompt.name === 'login') {
    const username = form.get('username');
    if (!Object.hasOwn(USERS, username) || USERS[username] !== form.get('password')) throw new Error('wrong name or password');
    return finish({ login: { accountId: username } });
  }
  if (form.get('decision') !== 'approve') return finish({ error: 'access_denied', error_description: 'the user said no' });
  const { accountId } = session;
  const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({ accountId, clientId: params.client_id });
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details;
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) grant.addResourceScope(resource, scopes.join(' '));
  return finish({ consent: { grantId: await grant.save() } });
}

async function posted(request) {
  let body = '';
  for await (const chunk of request) body += chunk;
  return new URLSearchParams(body);
}

const LOGIN = `<!doctype html><title>Sign in</title><form method="post"><input name="username"><input name="password" type="password">
<button>Sign in</button></form>`;
const CONSENT = `<!doctype html><title>Let it in?</title><form method="post"><button name="decision" value="approve">Approve</button>
<button name="decision" value="deny">Deny</button></form>`;
