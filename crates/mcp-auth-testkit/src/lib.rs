//! For testing MCP authentication: a demo upstream and a moving clock.

pub mod demo_upstream;
mod moving_clock;

pub use demo_upstream::DemoUpstream;
pub use moving_clock::MovingClock;
