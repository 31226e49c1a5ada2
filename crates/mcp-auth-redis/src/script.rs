//! What the server does in one step, as Lua.
//!
//! Versions and keys are compared as bytes: Lua knows doubles only, and its `<` on strings goes by
//! the locale.

use aws_lc_rs::digest;
use redis::{Cmd, RedisError, ServerErrorKind, Value};

use crate::connection::Connection;

/// A script and the name under which the server remembers it.
pub(crate) struct Script {
    code: &'static str,
    hash: String,
}

/// What a script is called with.
pub(crate) struct Call<'a> {
    pub(crate) keys: Vec<Vec<u8>>,
    pub(crate) arguments: Vec<&'a [u8]>,
}

impl Script {
    pub(crate) fn new(code: &'static str) -> Self {
        let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, code.as_bytes());
        let hash = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        Self { code, hash }
    }

    /// Runs it by its name, and by its code where the server does not know it yet: after a restart,
    /// after a failover, on each node of a cluster.
    pub(crate) async fn run(
        &self,
        connection: &mut Connection,
        call: &Call<'_>,
    ) -> Result<Value, RedisError> {
        let by_name = command("EVALSHA", &self.hash, call);
        match connection.query(&by_name).await {
            Err(error) if error.kind() == ServerErrorKind::NoScript.into() => {
                connection.query(&command("EVAL", self.code, call)).await
            }
            answer => answer,
        }
    }
}

fn command(name: &'static str, script: &str, call: &Call<'_>) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(call.keys.len());
    for part in call.keys.iter().map(Vec::as_slice) {
        command.arg(part);
    }
    for part in &call.arguments {
        command.arg(*part);
    }
    command
}

/// Enters a key into an index, or moves it to a later expiry, never to an earlier one: a writer that
/// comes late must not take a live entry away. A few entries that expired long ago go in return, and
/// the index itself lives as long as the last of its entries.
macro_rules! enter {
    () => {
        "local function enter(index, key, expiry)
  redis.call('ZADD', index, 'GT', expiry, key)
  local past = string.format('(%.0f', redis.call('TIME')[1] - 3600)
  local dead = redis.call('ZRANGEBYSCORE', index, '-inf', past, 'LIMIT', 0, 8)
  if #dead > 0 then redis.call('ZREM', index, unpack(dead)) end
  local last = redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')[2]
  if last then redis.call('PEXPIREAT', index, string.format('%.0f', (last + 3600) * 1000)) end
end
"
    };
}

/// `KEYS`: an index. `ARGV`: the key, its expiry.
///
/// For ten years at most: this is how a cluster enters, where the entry of a record that is removed
/// stays, and one that never expired would stay for ever.
pub(crate) const ENTER: &str = concat!(
    enter!(),
    "local last = math.min(ARGV[2], redis.call('TIME')[1] + 3650 * 86400)
enter(KEYS[1], ARGV[1], string.format('%.0f', last))
return 1"
);

/// `KEYS`: the record. `ARGV`: what the keys of indexes begin with, and the key under which they have
/// the record. It names its indexes itself; what else may stand there names none.
pub(crate) const REMOVE: &str = "if redis.call('TYPE', KEYS[1]).ok == 'string' then
  local head = redis.call('GETRANGE', KEYS[1], 0, 18)
  if #head == 19 and string.byte(head) == 1 then
    local count = string.byte(head, 18) * 256 + string.byte(head, 19)
    local names = redis.call('GETRANGE', KEYS[1], 19, 18 + 32 * count)
    for n = 1, #names - 31, 32 do
      redis.pcall('ZREM', ARGV[1] .. string.sub(names, n, n + 31), ARGV[2])
    end
  end
end
return redis.call('DEL', KEYS[1])";

/// `KEYS`: the record, then its indexes unless they were entered before. `ARGV`: the head of the
/// record that must stand there (empty: none may), the new record, when the server drops it, and for
/// the indexes the key and its expiry.
///
/// Each write has a head of its own, so one that stands there already is this very write, sent again.
pub(crate) const WRITE: &str = concat!(
    enter!(),
    "local stands = redis.call('GETRANGE', KEYS[1], 0, 8)
if stands == string.sub(ARGV[2], 1, 9) then return 1 end
if stands ~= ARGV[1] then return 0 end
for n = 2, #KEYS do enter(KEYS[n], ARGV[4], ARGV[5]) end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
return 1"
);

/// `KEYS`: an index. `ARGV`: how many, then the expiry and the key that were listed last, if any.
///
/// In the order of expiry, and of bytes where that is equal. An entry only ever moves to the end, so
/// whoever goes on from the last one misses none.
///
/// The removal of nothing is a write: a replica, which may have missed some, refuses it.
pub(crate) const LIST: &str = "redis.call('ZREM', KEYS[1], '')
local past = string.format('(%.0f', redis.call('TIME')[1] - 3600)
local first = redis.call('ZCOUNT', KEYS[1], '-inf', past)
local function follows(one, other)
  for n = 1, 32 do
    local a, b = string.byte(one, n) or -1, string.byte(other, n) or -1
    if a ~= b then return a > b end
  end
  return false
end
if ARGV[2] then
  local low = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[2])
  local high = redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[2])
  while low < high do
    local middle = math.floor((low + high) / 2)
    if follows(redis.call('ZRANGE', KEYS[1], middle, middle)[1], ARGV[3]) then
      high = middle
    else
      low = middle + 1
    end
  end
  if low > first then first = low end
end
return redis.call('ZRANGE', KEYS[1], first, first + ARGV[1] - 1, 'WITHSCORES')";
