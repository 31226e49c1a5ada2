//! What happens, in numbers for whoever runs the server: the feature `metrics`.
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `mcp_auth_token_checks_total` | counter | `outcome`: `accepted`, or the [code](crate::resource_server::Refusal::code) of the refusal |
//! | `mcp_auth_events_total` | counter | `action`: an [audit action](crate::audit::AuditAction); `reason`, where there is one |
//! | `mcp_auth_upstream_seconds` | histogram | `operation`: `redeem`, `refresh`, `revoke`, `keys`; `outcome`: `ok`, `error` |
//! | `mcp_auth_store_seconds` | histogram | `operation`: `insert`, `load`, `replace`, `remove`, `list`; `outcome` |
//!
//! Every label is one of a few fixed words. A login that started is `consent_given`; its end is
//! `login_finished` or `login_refused`.

#[cfg(feature = "metrics")]
pub(crate) use counted::*;
#[cfg(not(feature = "metrics"))]
pub(crate) use not_counted::*;

#[cfg(feature = "metrics")]
mod counted {
    /// A request that was let through, or refused with this code.
    pub(crate) fn token_check(outcome: &'static str) {
        metrics::counter!("mcp_auth_token_checks_total", "outcome" => outcome).increment(1);
    }

    /// Something that the audit record is told of.
    pub(crate) fn event(action: &'static str, reason: Option<&'static str>) {
        let reason = reason.unwrap_or("none");
        let labels = [("action", action), ("reason", reason)];
        metrics::counter!("mcp_auth_events_total", &labels).increment(1);
    }

    /// How long something takes elsewhere.
    pub(crate) async fn timed<T, E>(
        name: &'static str,
        operation: &'static str,
        under_way: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let began = tokio::time::Instant::now();
        let ended = under_way.await;
        let outcome = if ended.is_ok() { "ok" } else { "error" };
        let labels = [("operation", operation), ("outcome", outcome)];
        metrics::histogram!(name, &labels).record(began.elapsed().as_secs_f64());
        ended
    }
}

#[cfg(not(feature = "metrics"))]
mod not_counted {
    pub(crate) const fn token_check(_: &'static str) {}

    pub(crate) async fn timed<T>(
        _: &'static str,
        _: &'static str,
        under_way: impl Future<Output = T>,
    ) -> T {
        under_way.await
    }
}

/// Names of what is timed.
pub(crate) const UPSTREAM: &str = "mcp_auth_upstream_seconds";
#[cfg(feature = "authorization-server")]
pub(crate) const STORE: &str = "mcp_auth_store_seconds";
