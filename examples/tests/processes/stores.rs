//! The stores that processes share, each on a real server or file of its own.

use std::path::Path;

use mcp_auth_testkit::services::{PostgresServer, RedisServer, Scratch};

/// A store for the servers of one test.
pub(crate) struct SharedStore {
    pub(crate) url: String,
    kept: Kept,
}

/// What ends with the test.
enum Kept {
    File(Scratch),
    Redis(RedisServer),
    Postgres(PostgresServer),
}

impl SharedStore {
    pub(crate) fn sqlite() -> Option<Self> {
        let scratch = Scratch::new("processes").unwrap();
        Some(Self {
            url: format!("sqlite:{}", scratch.path().join("store.db").display()),
            kept: Kept::File(scratch),
        })
    }

    /// With everything that was acknowledged on disk.
    pub(crate) fn redis() -> Option<Self> {
        let redis = RedisServer::settings().append_only().start()?;
        Some(Self {
            url: redis.url(),
            kept: Kept::Redis(redis),
        })
    }

    pub(crate) fn postgres() -> Option<Self> {
        let postgres = PostgresServer::start()?;
        Some(Self {
            url: postgres.url(),
            kept: Kept::Postgres(postgres),
        })
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        match &self.kept {
            Kept::File(scratch) => scratch.path(),
            Kept::Redis(redis) => redis.folder(),
            Kept::Postgres(_) => panic!("PostgreSQL's own files are not looked at"),
        }
    }

    /// `kill -9`; a file has no server.
    pub(crate) fn kill(&mut self) {
        match &mut self.kept {
            Kept::File(_) => {}
            Kept::Redis(redis) => redis.kill(),
            Kept::Postgres(postgres) => postgres.kill(),
        }
    }

    /// Starts it again on what it left behind.
    pub(crate) fn restart(&mut self) {
        match &mut self.kept {
            Kept::File(_) => {}
            Kept::Redis(redis) => redis.restart(),
            Kept::Postgres(postgres) => postgres.restart().unwrap(),
        }
    }

    /// Has it hang: connections stay, and nothing is answered.
    pub(crate) fn pause(&mut self) {
        match &mut self.kept {
            Kept::File(_) => {}
            Kept::Redis(redis) => redis.pause(),
            Kept::Postgres(postgres) => postgres.pause().unwrap(),
        }
    }

    pub(crate) fn resume(&mut self) {
        match &mut self.kept {
            Kept::File(_) => {}
            Kept::Redis(redis) => redis.resume(),
            Kept::Postgres(postgres) => postgres.resume().unwrap(),
        }
    }
}
