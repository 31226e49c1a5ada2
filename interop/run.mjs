// Runs every row and prints one line for each; see README.md. run.sh is the way in.
import { execFile, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Conformance, SERVER_SCENARIOS } from './conformance.mjs';
import { start } from './example_server.mjs';
import { authorize, discover, register } from './plain_host.mjs';

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

/** What is missing here, not wrong: a skip unless MCP_AUTH_REQUIRE_SERVICES=1. */
class CannotRun extends Error {}

const counts = { passed: 0, failed: 0, skipped: 0 };
mkdirSync(log, { recursive: true });

const programs = build();
const conformance = new Conformance({ cache, log, expectedFile: path.join(here, 'expected.txt') });
await against('remote_dcr', {}, [
  ...eachClient((client, wire) => [`${client.name}/${wire}`, mcpUrl => drive(client, mcpUrl, wire)]),
  ...eachClient((client, wire) => [`step-up/${client.name}/${wire}`, mcpUrl => drive(client, mcpUrl, wire, 'step-up')])
    .filter(([name]) => !name.includes('python')),
  ['login/deny', deny],
  ...['', '2025-11-25', '2026-07-28'].map(version =>
    [`conformance/authorization/${version || 'default'}`, mcpUrl => conformance.authorization(mcpUrl, version)]),
  ...Object.entries(SERVER_SCENARIOS).flatMap(([version, scenarios]) => scenarios.map(scenario =>
    [`conformance/server/${version}/${scenario}`, mcpUrl => conformance.server(mcpUrl, scenario, version)])),
  ...(only ? [] : [['conformance/expected-list', noStaleFinding]])
]);
await against('remote_dcr', { MCP_AUTH_ACCESS_TTL: String(SHORT_TTL_SECONDS) }, eachClient((client, wire) =>
  [`refresh/${client.name}/${wire}`, mcpUrl => drive(client, mcpUrl, wire, SHORT_TTL_SECONDS + 2)]));

await withDocument(document => against('remote_cimd', { MCP_AUTH_DEV_CIMD_CA: document.caFile },
  eachClient((client, wire) => [`cimd/${client.name}/${wire}`, mcpUrl => drive(client, mcpUrl, wire, 0, document.clientId)])));

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
    '--bin', 'interop-rmcp', '--bin', 'interop-documents', '--message-format', 'json-render-diagnostics'], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 28, encoding: 'utf8' });
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

/** Rows against one start of an example. Rows are [name, body]; the body gets the MCP URL. */
async function against(example, variables, rows) {
  const wanted = rows.filter(([name]) => name.includes(only));
  if (!wanted.length) return;
  let server, whyNot;
  try {
    if (!programs[example]) throw new CannotRun(`the example ${example} did not build`);
    server = await start(programs[example], variables, path.join(log, [example, ...Object.keys(variables)].join('-') + '.log'));
  } catch (error) {
    whyNot = error;
  }
  for (const [name, body] of wanted) {
    await row(name, () => { if (whyNot) throw whyNot; return body(server.mcpUrl); });
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

/** One client program, from the MCP URL to both tools' results; with `wait`, once more after the token's expiry, or with a step-up. */
async function drive({ name, command: [program, ...args] }, mcpUrl, wire, wait = 0, document = undefined) {
  if (!program || !existsSync(program)) throw new CannotRun(`${name} is not installed`);
  const stepUp = wait === 'step-up';
  const visits = path.join(log, `visits-${randomBytes(6).toString('hex')}`);
  const env = {
    ...process.env,
    INTEROP_CACHE: cache,
    INTEROP_VISITS: visits,
    ...(document && { INTEROP_CLIENT_DOCUMENT: document })
  };
  try {
    const report = await output(program, [...args, path.join(here, 'browser.mjs'), mcpUrl, wire, ...(wait ? [String(wait)] : [])], env);
    if (!PROTOCOL[wire].test(report.protocol)) throw new Error(`spoke ${report.protocol} where the ${wire} wire was asked for`);
    for (const tool of ['whoami', 'upstream_profile', ...(stepUp ? ['whoami_after', 'write_guest_book'] : wait ? ['again'] : [])]) {
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

/** The user says no: the client hears access_denied and the upstream is never visited. */
async function deny(mcpUrl) {
  const discovered = await discover(mcpUrl);
  const redirectUri = 'http://127.0.0.1:33419/callback';
  const client = await register(discovered, redirectUri);
  const response = await authorize(discovered, client, redirectUri, randomBytes(32).toString('base64url'), 'Deny');
  if (response.get('error') !== 'access_denied' || response.has('code')) throw new Error(`expected access_denied, got ${response}`);
  return 'access_denied';
}

function noStaleFinding() {
  const { stale } = conformance;
  if (stale.length) throw new Error(`expected.txt lists what no longer occurs: ${stale.join('; ')}`);
  return 'every listed finding still occurs';
}
