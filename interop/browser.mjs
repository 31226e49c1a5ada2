#!/usr/bin/env node
// Stands in for the user and the browser: opens an authorization URL, signs in,
// presses Approve (or Deny), follows redirects with cookies, and delivers the
// authorization response to the client's redirect URI.
//   browser.mjs AUTHORIZATION_URL     the steps go to stderr, exit 0 when delivered
import { appendFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Cookies } from './cookies.mjs';
import { parseForms, submission, text } from './forms.mjs';

const USERNAME = process.env.INTEROP_USERNAME ?? 'alice';
const PASSWORD = process.env.INTEROP_PASSWORD ?? 'wonderland';
const MOST_STEPS = 20;

/**
 * Walks from the authorization URL to the redirect URI and returns that response as a URL.
 * `decision` is the consent page's button; `deliver: false` keeps the response from the client.
 */
export async function visit(authorizationUrl, { decision = 'Approve', deliver = true, onStep = () => {} } = {}) {
  const cookies = new Cookies();
  const start = new URL(authorizationUrl);
  const redirectUri = new URL(start.searchParams.get('redirect_uri'));
  let step = { method: 'GET', url: start };
  for (let taken = 0; taken < MOST_STEPS; taken++) {
    if (step.url.origin === redirectUri.origin && step.url.pathname === redirectUri.pathname) {
      onStep(`authorization response [${[...step.url.searchParams.keys()].join(' ')}]`);
      if (deliver) await deliverTo(step.url);
      return step.url;
    }
    const response = await load(step, cookies);
    onStep(`${step.method} ${step.url.origin}${step.url.pathname} -> ${response.status}`);
    step = isRedirect(response) ? redirected(step, response) : await pressed(step, response, decision, onStep);
  }
  throw new Error(`no authorization response after ${MOST_STEPS} steps`);
}

async function load({ method, url, body, from }, cookies) {
  const headers = { accept: 'text/html' };
  const cookie = cookies.header(url);
  if (cookie) headers.cookie = cookie;
  if (from) headers.referer = from.href;
  if (body !== undefined) {
    headers['content-type'] = 'application/x-www-form-urlencoded';
    headers.origin = from.origin;
  }
  const response = await fetch(url, { method, headers, body, redirect: 'manual' });
  cookies.receive(url, response.headers);
  return response;
}

const isRedirect = response => response.status >= 300 && response.status < 400 && response.headers.has('location');

function redirected(step, response) {
  const url = new URL(response.headers.get('location'), step.url);
  const keepsMethod = response.status === 307 || response.status === 308;
  return keepsMethod ? { ...step, url } : { method: 'GET', url };
}

/** The next request: the page's form, filled in, with the one button pressed that moves the login on. */
async function pressed(step, response, decision, onStep) {
  const html = await response.text();
  const where = `${step.url.origin}${step.url.pathname}`;
  if (!response.ok) throw new Error(`${response.status} at ${where}: ${text(html).slice(0, 300)}`);
  // Chromium applies form-action to every redirect after the button: it would block the way back to the client.
  if (/form-action/i.test(response.headers.get('content-security-policy') ?? '')) {
    throw new Error(`${where} sets form-action, which blocks the redirect to the client`);
  }
  for (const form of parseForms(html)) {
    const signIn = form.fields.some(field => field.type === 'password');
    const button = form.buttons.find(({ text }) => text === (signIn ? 'Sign in' : decision));
    if (!button) continue;
    onStep(`pressing "${button.text}"`);
    const data = submission(form, button, { username: USERNAME, password: PASSWORD });
    const url = new URL(button.action || form.action || step.url.href, step.url);
    if (form.method === 'POST') return { method: 'POST', url, body: data.toString(), from: step.url };
    url.search = data.toString();
    return { method: 'GET', url, from: step.url };
  }
  throw new Error(`${where} has no button "Sign in" or "${decision}": ${text(html).slice(0, 300)}`);
}

/** A client may print its URL a moment before its listener is up. */
async function deliverTo(url) {
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await fetch(url, { redirect: 'manual' });
      if (response.status >= 400) throw new Error(`the client answered ${response.status} at its redirect URI`);
      return;
    } catch (error) {
      if (error.cause?.code !== 'ECONNREFUSED' || attempt === 15) throw error;
      await new Promise(resolve => setTimeout(resolve, 200));
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // run.mjs counts the visits: a refresh must not need one.
  if (process.env.INTEROP_VISITS) appendFileSync(process.env.INTEROP_VISITS, 'visit\n');
  try {
    await visit(process.argv[2], { onStep: line => process.stderr.write(`browser: ${line}\n`) });
  } catch (error) {
    process.stderr.write(`browser: ${error.message}${error.cause ? ` (${error.cause.message ?? error.cause.code})` : ''}\n`);
    process.exitCode = 1;
  }
}
