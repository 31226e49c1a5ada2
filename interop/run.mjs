// Runs every row and prints one line for each; see README.md. run.sh is the way in.
import { execFile, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, openSync, readFileSync, rmSync, existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Conformance, SERVER_SCENARIOS } from './conformance.mjs';
import { freePort, start } from './example_server.mjs';
import { node22 } from './node22.mjs';
import { authorize, discover, discoverAtOrigin, initialize, logIn, register, whoami } from './plain_host.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(here);
const cache = path.resolve(process.env.MCP_AUTH_INTEROP_CACHE ?? path.join(root, 'target/interop'));
const log = path.join(cache, 'log');
const required = process.env.MCP_AUTH_REQUIRE_SERVICES === '1';
const [only = ''] = process.argv.slice(2);

const SUBJECT = process.env.INTEROP_USERNAME ?? 'alice';
const SHORT_TTL_SECONDS = 2;
const PROTOCOL = { legacy: /^2025-/, modern: /^2026-07-28$/ };
const CLIENT_LIMIT_MS = 60_000;
const TOOLS = { remote_dcr: ['whoami', 'upstream_profile'], remote_cimd: ['whoami', 'upstream_profile'], remote_proxy: ['whoami', 'upstream_profile'] };
/** A provider without token exchange gives no token for its API. */
const toolsOf = (example, provider) => example === 'remote_proxy' && provider ? ['whoami'] : TOOLS[example];

/** What is missing here, not wrong: a skip unless MCP_AUTH_REQUIRE_SERVICES=1. */
class CannotRun extends Error {}

const counts = { passed: 0, failed: 0, skipped: 0 };
mkdirSync(log, { recursive: true });

const programs = build();
const conformance = new Conformance({ cache, log, expectedFile: path.join(here, 'expected.txt') });
await against('remote_dcr', {}, [
  ...eachClient((client, wire) => [`${client.name}/${wire}`, at => drive(client, at, wire)]),
  ...eachClient((client, wire) => [`step-up/${client.name}/${wire}`, at => drive(client, at, wire, 'step-up')])
    .filter(([name]) => !name.includes('python')),
  ['login/deny', deny],
  ...['', '2025-11-25', '2026-07-28'].map(version =>
    [`conformance/authorization/${version || 'default'}`, ({ mcpUrl }) => conformance.authorization(mcpUrl, version)]),
  ...Object.entries(SERVER_SCENARIOS).flatMap(([version, scenarios]) => scenarios.map(scenario =>
    [`conformance/server/${version}/${scenario}`, ({ mcpUrl }) => conformance.server(mcpUrl, scenario, version)])),
  ...(only ? [] : [['conformance/expected-list', noStaleFinding]])
]);
await against('remote_dcr', { MCP_AUTH_ACCESS_TTL: String(SHORT_TTL_SECONDS) }, eachClient((client, wire) =>
  [`refresh/${client.name}/${wire}`, at => drive(client, at, wire, SHORT_TTL_SECONDS + 2)]));
await against('remote_proxy', {}, [
  ...eachClient((client, wire) => [`proxy/${client.name}/${wire}`, at => drive(client, at, wire)]),
  ['proxy/host-of-2025-03-26', hostOf20250326],
  ['proxy/deny', deny]
]);

await withDocument(async document => {
  const variables = { MCP_AUTH_DEV_CIMD_CA: document.caFile };
  const rows = kind => eachClient((client, wire) => [`${kind}/${client.name}/${wire}`, at => drive(client, at, wire, 0, document.clientId)]);
  await against('remote_cimd', variables, rows('cimd'));
  await against('remote_proxy', variables, rows('proxy-cimd'));
  await withProvider({ ...(document.caFile && { NODE_EXTRA_CA_CERTS: document.caFile }), INTEROP_JWT_SECONDS: String(SHORT_TTL_SECONDS) }, async provider => {
    const variables = { UPSTREAM_ISSUER: provider.issuer, MCP_AUTH_SCOPES: 'mcp:tools' };
    await against('remote_proxy', variables, [
      ...rows('oidc-provider/proxy-cimd'),
      ...eachClient((client, wire) => [`oidc-provider/proxy-refresh/${client.name}/${wire}`, at => drive(client, at, wire, SHORT_TTL_SECONDS + 2)])
        .filter(([name]) => /(python|rmcp)\/modern$/.test(name))
    ], provider);
  });
});

// One origin after the other behind which `remote_dcr` or `remote_proxy` runs, since the provider knows it beforehand.
await withProvider({}, async provider => {
  const upstream = {
    UPSTREAM_ISSUER: provider.issuer, UPSTREAM_CLIENT_ID: 'mcp-auth', UPSTREAM_CLIENT_SECRET: provider.secret, UPSTREAM_SCOPES: 'openid profile'
  };
  await against('remote_dcr', upstream, eachClient((client, wire) =>
    [`oidc-provider/shim/${client.name}/${wire}`, at => drive(client, at, wire)]), provider);
  await against('remote_dcr', { ...upstream, MCP_AUTH_ACCESS_TTL: String(SHORT_TTL_SECONDS) }, eachClient((client, wire) =>
    [`oidc-provider/shim-refresh/${client.name}/${wire}`, at => refreshedThere(provider, () => drive(client, at, wire, SHORT_TTL_SECONDS + 2))])
    .filter(([name]) => name.endsWith('/modern')), provider);
  await against('remote_proxy', { UPSTREAM_ISSUER: provider.issuer, MCP_AUTH_SCOPES: 'mcp:tools' }, [
    ...eachClient((client, wire) => [`oidc-provider/proxy/${client.name}/${wire}`, at => drive(client, at, wire)]),
    ['oidc-provider/proxy/host-of-2025-03-26', hostOf20250326],
    ['oidc-provider/proxy/other-audience', otherAudience],
    ['oidc-provider/proxy/deny', deny]
  ], provider);
});

const skipped = counts.skipped ? `, ${counts.skipped} skipped` : '';
console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
process.exit(counts.failed ? 1 : 0);

/** Serves one client document over TLS while the rows run. */
async function withDocument(rows) {
  if (!programs['interop-documents']) return rows({});
  const caFile = path.join(log, 'documents-ca.pem');
  const host = spawn(programs['interop-documents'], [caFile], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = await once(host.stdout, 'data');
  await rows({ caFile, clientId: String(line).trim() });
  host.stdin.end();
}

/** Builds the examples and the rmcp client with the features that `cargo test --workspace` uses, so nothing is built twice. */
function build() {
  const cargo = spawnSync('cargo', ['build', '--workspace', '--example', 'remote_dcr', '--example', 'remote_cimd',
    '--example', 'remote_proxy', '--bin', 'interop-rmcp', '--bin', 'interop-documents', '--message-format', 'json-render-diagnostics'], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 28, encoding: 'utf8' });
  const artifacts = cargo.stdout.split('\n').filter(line => line.startsWith('{')).map(line => JSON.parse(line));
  return Object.fromEntries(artifacts.filter(({ executable }) => executable).map(({ target, executable }) => [target.name, executable]));
}

function eachClient(toRow) {
  const clients = [
    { name: 'typescript', command: [process.execPath, path.join(here, 'clients/typescript.mjs')] },
    { name: 'python', command: [path.join(cache, 'python/bin/python'), path.join(here, 'clients/python.py')] },
    { name: 'rmcp', command: [programs['interop-rmcp']] }
  ];
  return clients.flatMap(client => ['legacy', 'modern'].map(wire => toRow(client, wire)));
}

/** Runs node oidc-provider while the rows run, if any is wanted; `port` is where the example behind its resource has to be. */
async function withProvider(variables, rows) {
  const port = await freePort();
  const logFile = path.join(log, `${['oidc-provider', ...Object.keys(variables)].join('-')}.log`);
  const secret = randomBytes(24).toString('base64url');
  const provider = spawn(node22(cache), [path.join(here, 'oidc_provider.mjs'), `http://127.0.0.1:${port}`, secret], {
    env: { ...process.env, ...variables, INTEROP_CACHE: cache }, stdio: ['pipe', 'pipe', openSync(logFile, 'w')]
  });
  const ended = new Promise(resolve => provider.on('exit', resolve).on('error', resolve));
  const [line] = await Promise.race([once(provider.stdout, 'data'), ended.then(() => [''])]);
  // Without an issuer the example refuses to start, and each row says so.
  await rows({ port, secret, logFile, issuer: String(line).trim() || 'http://127.0.0.1:9' });
  provider.stdin.end();
  await ended;
}

/** Rows against one start of an example. Rows are [name, body]; the body gets { tools, mcpUrl }. */
async function against(example, variables, rows, provider = undefined) {
  const wanted = rows.filter(([name]) => name.includes(only));
  if (!wanted.length) return;
  let server, whyNot;
  try {
    if (!programs[example]) throw new CannotRun(`the example ${example} did not build`);
    server = await start(programs[example], variables, path.join(log, [example, ...Object.keys(variables)].join('-') + '.log'), provider?.port);
  } catch (error) {
    whyNot = error;
  }
  for (const [name, body] of wanted) {
    await row(name, () => { if (whyNot) throw whyNot; return body({ tools: toolsOf(example, provider), mcpUrl: server.mcpUrl }); });
  }
  await server?.stop();
}

async function row(name, body) {
  try {
    const details = await body();
    counts.passed++;
    console.log(`PASS ${name} (${details})`);
  } catch (error) {
    const why = `${error.message} ${error.cause?.message ?? ''}`.replace(/\s+/g, ' ').trim();
    const skip = error instanceof CannotRun && !required;
    counts[skip ? 'skipped' : 'failed']++;
    console.log(`${skip ? 'SKIP' : 'FAIL'} ${name}: ${why}`);
  }
}

/** One client program, from the MCP URL to the tools' results; with `wait`, once more after the token's expiry, or with a step-up. */
async function drive({ name, command: [program, ...args] }, { tools, mcpUrl }, wire, wait = 0, document = undefined) {
  if (!program || !existsSync(program)) throw new CannotRun(`${name} is not installed`);
  const stepUp = wait === 'step-up';
  const visits = path.join(log, `visits-${randomBytes(6).toString('hex')}`);
  const env = {
    ...process.env,
    INTEROP_CACHE: cache,
    INTEROP_VISITS: visits,
    INTEROP_TOOLS: tools.join(' '),
    ...(document && { INTEROP_CLIENT_DOCUMENT: document })
  };
  try {
    const report = await output(program, [...args, path.join(here, 'browser.mjs'), mcpUrl, wire, ...(wait ? [String(wait)] : [])], env);
    if (!PROTOCOL[wire].test(report.protocol)) throw new Error(`spoke ${report.protocol} where the ${wire} wire was asked for`);
    for (const tool of [...tools, ...(stepUp ? ['whoami_after', 'write_guest_book'] : wait ? ['again'] : [])]) {
      if (!report[tool]?.includes(SUBJECT)) throw new Error(`${tool} does not name ${SUBJECT}: ${report[tool]}`);
    }
    if (stepUp) steppedUp(report);
    else if (wait && !report.refreshed) throw new Error('the access token is still the first one');
    const client = JSON.parse(report.whoami).client;
    if (document ? client !== document : client.startsWith('https:')) throw new Error(`came as the client ${client}`);
    const logins = readFileSync(visits, 'utf8').trim().split('\n').length;
    const due = stepUp ? 2 : 1;
    if (logins !== due) throw new Error(`${logins} visits to the browser where ${due} were due`);
    return `protocol ${report.protocol}${stepUp ? `, asked for ${report.asked}` : wait ? ', refreshed without the browser' : ''}`;
  } finally {
    rmSync(visits, { force: true });
  }
}

/** The first token lacks a scope; the second has it beside all that the first had. */
function steppedUp(report) {
  const [before, after] = [report.whoami, report.whoami_after].map(said => JSON.parse(said).scopes.split(' '));
  if (before.includes('guestbook:write')) throw new Error(`the first token already had ${before}`);
  for (const scope of [...before, 'guestbook:write']) {
    if (!report.asked.split(' ').includes(scope)) throw new Error(`asked for ${report.asked} without ${scope}`);
    if (!after.includes(scope)) throw new Error(`the second token has ${after} without ${scope}`);
  }
}

function output(program, args, env) {
  return new Promise((resolve, reject) => {
    execFile(program, args, { env, timeout: CLIENT_LIMIT_MS }, (error, stdout, stderr) => {
      const lastLines = stderr.trim().split('\n').filter(line => line.trim()).slice(-3).join(' | ');
      if (error) return reject(new Error(`${error.killed ? 'no result in time; ' : ''}${lastLines || error.message}`));
      resolve(JSON.parse(stdout.trim().split('\n').pop()));
    });
  });
}

/** The user says no, and the client hears access_denied. */
async function deny({ mcpUrl }) {
  const discovered = await discover(mcpUrl);
  const redirectUri = 'http://127.0.0.1:33419/callback';
  const client = await register(discovered, redirectUri);
  const response = await authorize(discovered, client, redirectUri, randomBytes(32).toString('base64url'), 'Deny');
  if (response.get('error') !== 'access_denied' || response.has('code')) throw new Error(`expected access_denied, got ${response}`);
  return 'access_denied';
}

/** It reads everything at our origin, registers through us, names no resource, and gets in. */
async function hostOf20250326({ mcpUrl }) {
  const discovered = await discoverAtOrigin(mcpUrl);
  const { registration_endpoint: register, authorization_endpoint: authorize } = discovered.server;
  const { origin } = new URL(mcpUrl);
  if (register !== `${origin}/register`) throw new Error(`registers at ${register}`);
  if (authorize.startsWith(origin)) throw new Error(`signs in at ${authorize}`);
  const { access_token } = await logIn(mcpUrl, discovered);
  const said = await whoami(mcpUrl, access_token);
  if (!said.includes(SUBJECT)) throw new Error(`whoami does not name ${SUBJECT}: ${said}`);
  return 'registered through us, signed in there';
}

/** What the row does makes DcrShim use its own refresh token at the provider. */
async function refreshedThere({ logFile }, row) {
  const times = () => readFileSync(logFile, 'utf8').split('granted refresh_token mcp-auth\n').length - 1;
  const before = times();
  const details = await row();
  if (times() === before) throw new Error('the provider saw no refresh of ours');
  return `${details}, and so did we at the provider`;
}

/** The provider's own token, good in all but whom it is for. */
async function otherAudience({ mcpUrl }) {
  const discovered = await discover(mcpUrl);
  const own = await logIn(mcpUrl, discovered);
  const let_in = await initialize(mcpUrl, own.access_token);
  if (let_in.status !== 200) throw new Error(`the token for this server was answered ${let_in.status} ${let_in.challenge}`);
  discovered.resource.resource = 'https://elsewhere.example/mcp';
  const { access_token } = await logIn(mcpUrl, discovered);
  const { aud } = JSON.parse(Buffer.from(access_token.split('.')[1], 'base64url'));
  if (aud !== discovered.resource.resource) throw new Error(`the provider made a token for ${aud}`);
  const { status, challenge } = await initialize(mcpUrl, access_token);
  if (status !== 401 || !challenge.includes('error="invalid_token"')) throw new Error(`expected 401 invalid_token, got ${status} ${challenge}`);
  return `aud ${aud}: 401`;
}

function noStaleFinding() {
  const { stale } = conformance;
  if (stale.length) throw new Error(`expected.txt lists what no longer occurs: ${stale.join('; ')}`);
  return 'every listed finding still occurs';
}
