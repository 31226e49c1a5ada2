// The official conformance suite: its authorization-server scenarios, and the server
// scenarios that need no fixture tools, through a proxy that adds the token.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { visit } from './browser.mjs';
import { freePort } from './example_server.mjs';
import { node22 } from './node22.mjs';
import { discover, logIn, register } from './plain_host.mjs';
import { tokenProxy } from './token_proxy.mjs';

export const SERVER_SCENARIOS = {
  '2025-11-25': ['server-initialize', 'server-session-lifecycle', 'ping', 'tools-list', 'dns-rebinding-protection'],
  '2026-07-28': ['server-stateless', 'tools-list', 'http-header-validation', 'dns-rebinding-protection']
};

export class Conformance {
  #cache; #log; #expected; #met = new Set();

  constructor({ cache, log, expectedFile }) {
    this.#cache = cache;
    this.#log = log;
    this.#expected = readFileSync(expectedFile, 'utf8').split('\n')
      .filter(line => line.trim() && !line.startsWith('#'))
      .map(line => line.split(/\s+/, 3).join(' '));
  }

  /** Every authorization scenario; `specVersion` empty means the suite's own default. */
  async authorization(mcpUrl, specVersion) {
    const discovered = await discover(mcpUrl);
    const port = await freePort();
    const client = await register(discovered, `http://127.0.0.1:${port}/callback`);
    const args = ['authorization', '--url', discovered.issuer, '--resource', discovered.resource.resource,
      '--client-id', client.client_id, '--port', String(port), ...(specVersion ? ['--spec-version', specVersion] : [])];
    let login;
    const folder = await this.#run(args, line => {
      const [url] = line.match(/^https?:\S+response_type=code\S*/) ?? [];
      if (url) login ??= visit(url).catch(error => error);
    });
    const outcome = await login;
    if (outcome instanceof Error) throw outcome;
    return this.#judge(folder, 2, ['FAILURE', 'WARNING', 'SKIPPED']);
  }

  /** One server scenario on one wire. */
  async server(mcpUrl, scenario, specVersion) {
    const { access_token } = await logIn(mcpUrl);
    const proxy = await tokenProxy(mcpUrl, access_token);
    try {
      const folder = await this.#run(['server', '--url', proxy.url, '--scenario', scenario, '--spec-version', specVersion]);
      return this.#judge(folder, 1, ['FAILURE', 'WARNING']);
    } finally {
      proxy.close();
    }
  }

  /** The expected findings that did not occur, once every row has run. */
  get stale() {
    return this.#expected.filter(finding => !this.#met.has(finding));
  }

  async #run(args, onLine = () => {}) {
    const folder = path.join(this.#log, `conformance-${args.filter(arg => /^[\w-]+$/.test(arg)).join('-').replaceAll('--', '')}`.slice(0, 80));
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const suite = path.join(this.#cache, 'node/node_modules/@modelcontextprotocol/conformance/dist/index.js');
    const child = spawn(node22(this.#cache), [suite, ...args, '--output-dir', folder], { stdio: ['ignore', 'pipe', 'pipe'] });
    const limit = setTimeout(() => child.kill(), 90_000);
    let said = '', unread = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', data => {
      said += data;
      const lines = (unread + data).split('\n');
      unread = lines.pop();
      for (const line of lines) onLine(line.trim());
    });
    await new Promise(resolve => child.on('close', resolve));
    clearTimeout(limit);
    writeFileSync(path.join(folder, 'output.log'), said);
    return folder;
  }

  #judge(folder, leastScenarios, findings) {
    const scenarios = readdirSync(folder).filter(name => existsSync(path.join(folder, name, 'checks.json')));
    if (scenarios.length < leastScenarios) throw new Error(`only ${scenarios.length} scenarios ran, see ${folder}/output.log`);
    let passed = 0;
    const expected = [], unexpected = [];
    for (const directory of scenarios) {
      const scenario = directory.replace(/^(authorization-server|server)-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '');
      for (const check of JSON.parse(readFileSync(path.join(folder, directory, 'checks.json'), 'utf8'))) {
        if (check.status === 'SUCCESS') passed++;
        if (!findings.includes(check.status)) continue;
        const finding = `${check.status} ${scenario} ${check.id}`;
        this.#met.add(finding);
        (this.#expected.includes(finding) ? expected : unexpected).push(`${finding}: ${check.errorMessage ?? ''}`);
      }
    }
    if (unexpected.length) throw new Error(unexpected.join('; '));
    if (!passed) throw new Error('no check passed');
    return [`${passed} checks`, ...expected.map(finding => `expected ${finding}`)].join('; ');
  }
}
