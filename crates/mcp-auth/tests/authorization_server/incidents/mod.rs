//! What happened to others, each as a test that is named after the advisory or the issue: the request
//! that did the harm there is sent here.
//!
//! Some are proved where more of their kind is: CVE-2026-52869 and CVE-2026-52870 (a session, and what
//! belongs to it, of somebody else) by `it/resource_server/sessions.rs`. The incidents of what is not
//! here have no test: shells and installers that a URL or a name was handed to (CVE-2025-6514,
//! CVE-2025-10619, CVE-2025-62801, CVE-2025-64340), tools made from an OpenAPI document
//! (CVE-2026-32871), crashes and WebSockets of an SDK (CVE-2025-53365, CVE-2026-59950), and the caches
//! and frameworks of other languages (CVE-2025-61920, CVE-2025-69872, CVE-2026-48710).

mod assertions;
mod browsers;
mod clients;
mod sessions;
mod tokens;
