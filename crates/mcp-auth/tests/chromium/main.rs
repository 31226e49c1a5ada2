//! Logins and pages in a real browser: Chromium, headless, driven over WebDriver.
//!
//! Without `chromium` and `chromedriver` on the `PATH` each test says so and passes; with
//! `MCP_AUTH_REQUIRE_SERVICES=1` it fails instead.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods // a real browser takes real time
)]

mod chromium;
mod connected_apps;
mod defences;
mod layout;
mod logins;
mod screenshots;
mod site;
mod webdriver;

use chromium::Chromium;
use site::Site;

/// What the page lets a script see.
const PAGE_TEXT: &str = "return document.body.innerText";
