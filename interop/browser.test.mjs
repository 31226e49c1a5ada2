// The browser stand-in against small pages of its own: it must walk them as a browser would.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { visit } from './browser.mjs';

const CONSENT = `<!-- <form><button>Approve</button></form> -->
  <form method="post" action="/consent"><input type="hidden" name="request" value="a&amp;b &quot;c&quot;">
  <input type="checkbox" name="remember"><button name="decision" value="deny">Deny</button>
  <button name="decision" value="approve"> Approve </button></form>`;
const LOGIN = `<form method=post><label>User <input name="username"></label>
  <input type="password" name="password"><input type="submit" value="Sign in"></form>`;

let server, origin, seen, policy;

before(async () => {
  server = http.createServer(answer).listen(0, '127.0.0.1');
  await new Promise(resolve => server.on('listening', resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
});
after(() => { server.closeAllConnections(); server.close(); });

async function answer(request, response) {
  let body = '';
  for await (const chunk of request) body += chunk;
  const step = `${request.method} ${request.url.split('?')[0]}`;
  seen.push({ step, cookie: request.headers.cookie, origin: request.headers.origin, body: Object.fromEntries(new URLSearchParams(body)) });
  const page = (html, headers = {}) => response.writeHead(200, { 'content-type': 'text/html', ...policy, ...headers }).end(html);
  const go = (location, headers = {}) => response.writeHead(303, { location, ...headers }).end();
  if (step === 'GET /authorize') return page(CONSENT, { 'set-cookie': '__Host-csrf=1; Path=/; Secure; HttpOnly; SameSite=Lax' });
  if (step === 'POST /consent' && body.includes('deny')) return go(`${origin}/client?error=access_denied&state=s`);
  if (step === 'POST /consent') return go('/login', { 'set-cookie': ['pending=2; Path=/callback', '__Host-csrf=; Path=/; Secure; Max-Age=0'] });
  if (step === 'GET /login') return page(LOGIN);
  if (step === 'POST /login') return go('/callback');
  if (step === 'GET /callback') return go('/client?code=c&state=s');
  if (step === 'GET /client') return page('done');
  return response.writeHead(404).end('<h1>Nothing <b>here</b></h1>');
}

const walk = (path, options) => {
  seen = [];
  return visit(`${origin}${path}?redirect_uri=${encodeURIComponent(`${origin}/client`)}`, options);
};

test('approves, signs in and delivers the code', async () => {
  policy = {};
  const response = await walk('/authorize');
  assert.equal(response.searchParams.get('code'), 'c');
  assert.deepEqual(seen.map(({ step }) => step), ['GET /authorize', 'POST /consent', 'GET /login', 'POST /login', 'GET /callback', 'GET /client']);
  const [, consent, loginPage, login, callback] = seen;
  assert.deepEqual(consent.body, { request: 'a&b "c"', decision: 'approve' });
  assert.equal(consent.cookie, '__Host-csrf=1');
  assert.equal(consent.origin, origin);
  assert.equal(loginPage.cookie, undefined);
  assert.deepEqual(login.body, { username: 'alice', password: 'wonderland' });
  assert.equal(callback.cookie, 'pending=2');
});

test('denies, and keeps the response when told to', async () => {
  policy = {};
  const response = await walk('/authorize', { decision: 'Deny', deliver: false });
  assert.equal(response.searchParams.get('error'), 'access_denied');
  assert.deepEqual(seen.map(({ step }) => step), ['GET /authorize', 'POST /consent']);
});

test('reports an error page with its text', async () => {
  await assert.rejects(walk('/nowhere'), /404 at .*\/nowhere: Nothing here/);
});

test('refuses a page whose form-action would block the way back', async () => {
  policy = { 'content-security-policy': "default-src 'none'; form-action 'self'" };
  await assert.rejects(walk('/authorize'), /form-action/);
});
