// The cookies of one browser. Ports do not separate cookies, hosts do: what one
// server on 127.0.0.1 sets, another on 127.0.0.1 receives, as in a real browser.

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

export class Cookies {
  #byHost = new Map();

  /** Keeps what a response sets; throws where a browser would silently drop the cookie. */
  receive(url, headers) {
    for (const line of headers.getSetCookie()) {
      const [pair, ...rest] = line.split(';').map(part => part.trim());
      const [name, value] = split(pair);
      const attributes = new Map(rest.map(part => { const [k, v] = split(part); return [k.toLowerCase(), v]; }));
      const trusted = url.protocol === 'https:' || LOOPBACK.test(url.hostname);
      if (attributes.has('secure') && !trusted) throw new Error(`cookie ${name} is Secure, the page is not`);
      if (name.startsWith('__Host-') && !(attributes.has('secure') && attributes.get('path') === '/' && !attributes.has('domain'))) {
        throw new Error(`cookie ${name} breaks the __Host- rules`);
      }
      const jar = this.#byHost.get(url.hostname) ?? new Map();
      this.#byHost.set(url.hostname, jar);
      const expired = Number(attributes.get('max-age') ?? 1) <= 0 || Date.parse(attributes.get('expires')) < Date.now();
      if (expired) jar.delete(name);
      else jar.set(name, { value, path: attributes.get('path') || '/' });
    }
  }

  /** The Cookie header for a request, or undefined. */
  header(url) {
    const sent = [...(this.#byHost.get(url.hostname) ?? [])].filter(([, { path }]) => covers(path, url.pathname));
    return sent.length ? sent.map(([name, { value }]) => `${name}=${value}`).join('; ') : undefined;
  }
}

const covers = (path, pathname) => pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`);

function split(pair) {
  const at = pair.indexOf('=');
  return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
}
